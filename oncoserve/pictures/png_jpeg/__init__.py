"""PNG and JPEG files: how much work one asks for, what is mended, which samples it has, and its metadata away."""
