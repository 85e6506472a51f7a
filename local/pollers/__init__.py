"""Threads that read the emulator's stream and queues and invoke the functions by the rules in `local.mapping`."""
