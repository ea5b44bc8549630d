"""The town: a durable object whose agents do the work of its beads (design 5)."""
