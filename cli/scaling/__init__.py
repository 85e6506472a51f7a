"""What a definition needs on AWS at a rate of changes, from a sample of its items: rows, limits, dollars."""
