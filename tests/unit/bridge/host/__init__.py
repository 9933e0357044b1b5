"""The host tools' wrappers."""
