"""The command-line client: hands a folder of pictures in as jobs, and brings the results back."""
