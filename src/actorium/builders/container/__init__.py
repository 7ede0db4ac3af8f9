"""The builder over a container engine: the same engine that runs the images. See docs/decisions/0033."""
