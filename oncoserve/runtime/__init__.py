"""What any process needs: threads, numbers that processes share, metrics, traces, logs."""
