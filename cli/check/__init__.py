"""``tailrace check``: a table's description and a sample of its items, compared with a definition."""
