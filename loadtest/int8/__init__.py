"""What INT8 gains and costs brain_mri on a CPU."""
