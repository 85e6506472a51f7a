"""``tailrace plan``: rows, limits and dollars at a rate of changes, estimated from a sample of items."""
