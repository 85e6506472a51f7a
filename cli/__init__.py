"""The ``tailrace`` command, which works with a deployed stack from your machine. Never shipped to Lambda."""
