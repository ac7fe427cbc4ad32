"""One picture from bytes to a stored result, and who may ask."""
