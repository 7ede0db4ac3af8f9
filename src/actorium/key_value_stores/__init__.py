"""Key-value stores: records of any content type under keys."""
