"""What datasets, key-value stores and request queues share: names, addresses, access, lists, times, signed links."""
