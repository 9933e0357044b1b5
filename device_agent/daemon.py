"""To be filled by the agent room."""
