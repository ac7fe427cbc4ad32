"""Untrusted bytes to pixels, and back."""
