"""Runs: start reading in ``lifecycle.py``."""
