"""Days in seconds, on virtual time."""
