"""The simulated modem, through its ports."""
