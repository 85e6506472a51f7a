"""The only code that touches AWS."""
