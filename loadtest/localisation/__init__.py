"""How well brain_tumour names and points, as a caller meets it."""
