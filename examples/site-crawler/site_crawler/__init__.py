"""An Actor that follows the links of a website and writes one item for each page."""
