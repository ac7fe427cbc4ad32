"""Jobs: the pipeline that answers an upload, fed by a queue. docs/jobs.md says how it holds together."""
