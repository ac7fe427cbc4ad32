"""Jobs that several machines share: queue and records in PostgreSQL, pictures in a bucket."""
