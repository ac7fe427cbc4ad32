"""The HTTP side of Oncoserve: checks a picture, asks Triton, gives back numbers and an annotated picture."""

__version__ = "0.1.0"

NOTICE = "Research use only. Not a medical device."
