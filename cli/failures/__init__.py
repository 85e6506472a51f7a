"""What failed, by the place where it is kept, and how each is put back."""
