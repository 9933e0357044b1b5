"""Fast tests through public surfaces."""
