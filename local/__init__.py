"""Everything for one machine: the emulated stack, the source pollers, the demo. Never shipped to Lambda."""
