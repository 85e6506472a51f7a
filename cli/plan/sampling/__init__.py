"""From a sample to numbers: reading it, making changes from it, folding them, and counting what they touch."""
