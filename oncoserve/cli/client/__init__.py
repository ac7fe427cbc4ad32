"""Asking a service: its HTTP interface, and folders of pictures that go in as jobs and come back as results."""
