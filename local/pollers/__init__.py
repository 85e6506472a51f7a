"""The threads that read the emulator's stream and queues and invoke the functions, as `local.mapping` decides."""
