"""Damaged pictures through the real service."""
