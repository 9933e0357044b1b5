"""Real processes over real interfaces."""
