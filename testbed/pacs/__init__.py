"""A PACS for tests and trials."""
