"""What runs owe for events and items: prices times counts, and the limit that ends a run."""
