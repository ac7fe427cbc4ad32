"""What a network is worth on patients that it never saw: limits, figures with intervals, pictures, probes."""
