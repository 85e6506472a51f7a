"""``tailrace test``: the laws that a definition must keep, tried on examples, generated items and histories."""
