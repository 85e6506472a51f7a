"""What a definition must keep: tried on examples, and on generated items and histories."""
