"""The front door in AWS Lambda: takes jobs and tells of them, where no Triton is at hand."""
