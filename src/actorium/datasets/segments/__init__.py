"""How chunks of a dataset grow together, and what a segment knows of its items."""
