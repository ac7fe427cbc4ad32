"""The commands of `python -m deploy.aws`: a module for each, and what they share. Each says first what it would do."""
