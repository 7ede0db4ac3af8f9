"""Actor tasks: an Actor with an input and options of its own, under a name."""
