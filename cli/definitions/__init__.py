"""A definition as commands work on it: its import, places in its code, its predicates, and items made for it."""
