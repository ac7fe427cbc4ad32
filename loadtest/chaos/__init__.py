"""What callers and machines do to a service, done to it on purpose: `python -m loadtest.chaos`."""
