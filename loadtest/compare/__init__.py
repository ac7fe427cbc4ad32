"""The service against other ways to serve the same model: same pictures, same client, same machine, same sitting."""
