"""``tailrace dashboard``: a deployed stack's page on loopback, in front of its API."""
