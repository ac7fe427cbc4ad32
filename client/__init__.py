"""The old spelling `python -m client` of `oncoserve predict`, for one release."""
