"""A package for pytest, so that the stacks of its tests stop when the last of them has ended."""
