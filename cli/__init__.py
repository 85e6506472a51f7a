"""The ``tailrace`` command: what is done with a stack from one's own machine. Never shipped to Lambda."""
