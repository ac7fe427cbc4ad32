"""Other servers of the tiny model, each written as its own documentation recommends and run in its own environment."""
