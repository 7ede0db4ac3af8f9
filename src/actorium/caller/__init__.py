"""A caller of the API on behalf of a person at a terminal: its calls, its failures, a server of its own if need be."""
