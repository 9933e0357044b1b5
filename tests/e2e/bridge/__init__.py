"""The bridge against the simulated modems, over real and in-memory ports."""
