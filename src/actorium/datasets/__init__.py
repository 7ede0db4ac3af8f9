"""Datasets: append-only lists of JSON objects."""
