"""Jobs on one machine: pictures as files, queue and records in one SQLite database that all processes share."""
