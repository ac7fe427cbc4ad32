"""The HTTP addresses. A route translates between HTTP and the pipeline, and does nothing else."""
