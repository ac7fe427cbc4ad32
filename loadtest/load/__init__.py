"""What `locustfile.py` is made of: callers, their pace, the shape of the load over time, and its limits."""
