"""How well brain_tumour names and outlines, as a caller meets it."""
