"""A loop that jumps in time, in-memory MQTT and serial."""
