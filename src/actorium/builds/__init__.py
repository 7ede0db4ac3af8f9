"""Builds: from a version's sources to an image that runs can start."""
