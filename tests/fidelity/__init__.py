"""Other people's software on the simulated modem."""
