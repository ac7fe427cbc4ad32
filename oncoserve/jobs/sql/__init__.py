"""Queue and records of jobs in tables, whichever database they are in."""
