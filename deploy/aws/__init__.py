"""The AWS side: template.yaml, and what it needs."""
