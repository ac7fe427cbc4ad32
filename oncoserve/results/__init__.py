"""What is kept of predictions: the store, other forms of what is in it, and its expiry."""
