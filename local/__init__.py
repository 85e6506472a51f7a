"""Local tooling: the emulated stack, the source pollers and the demo. Never shipped to Lambda."""
