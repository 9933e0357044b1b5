"""What the tables promise about themselves."""
