"""A bucket of S3 or of a store that speaks its language, a cache of it on this machine, and how both are."""
