"""What it costs to keep results in a bucket, against files."""
