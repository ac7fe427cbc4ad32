"""Results in a bucket, which any number of machines share."""
