"""The pipeline that this stack runs. Replace this example, flights from New York, with your own."""
