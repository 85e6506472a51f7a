"""`make bench`: what Tailrace costs, compared in one run with a handwritten handler and with other engines."""
