"""Stand-ins for the hub's host tools."""
