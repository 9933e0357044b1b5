"""AT modems and host tools, typed."""
