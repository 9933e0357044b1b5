"""To be filled by the bridge room."""
