"""Which device the models run on: the trial of the GPU, how it is chosen and watched."""
