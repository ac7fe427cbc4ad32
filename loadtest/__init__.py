"""Measurements as commands: each prints and writes what it found, and none of them is a test."""
