"""Servers, tiny models, pictures and emulators that tests and load tests share."""
