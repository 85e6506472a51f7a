"""From a sample to numbers: reading it, making changes of it, folding them, and counting what they touch."""
