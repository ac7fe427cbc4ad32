"""One connection of HTTP/1.1: what it may take, what it offers, how it ends."""
