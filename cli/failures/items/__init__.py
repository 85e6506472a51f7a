"""Items that operations are compared with, as they are, and as what was sent may leave them."""
