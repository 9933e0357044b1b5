"""Example category lists: reserved names only (RFC 2606)."""
