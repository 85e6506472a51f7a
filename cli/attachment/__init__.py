"""Whether a stack can be attached to an existing table: its description, and a sample of its items."""
