"""`make bench`: what Tailrace costs, compared in one run with a hand-written handler and with other engines."""
