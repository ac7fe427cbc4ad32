"""Models of the project, as the service reads them, without a server."""
