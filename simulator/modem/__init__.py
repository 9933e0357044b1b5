"""The simulated modem."""
