"""Named scenarios: one thing that goes wrong in a whole town, told by a script."""
