"""What he_tissue costs."""
