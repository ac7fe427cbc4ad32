"""The HTTP side of Oncoserve: checks a picture, asks Triton, gives back numbers and an annotated picture."""
