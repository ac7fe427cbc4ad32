"""What results and jobs lie on: how it is, and waiting for it no longer than one can."""
