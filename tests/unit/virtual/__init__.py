"""Virtual time and the in-memory broker."""
