"""The pipeline that this stack runs: yours to replace. Shipped as an example: flights from New York."""
