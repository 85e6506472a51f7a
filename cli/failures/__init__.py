"""``tailrace redrive``, ``replay``, ``quarantine``: what failed, by the place that keeps it, and how it is put back."""
