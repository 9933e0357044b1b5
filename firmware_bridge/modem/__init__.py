"""Modem drivers: generic 27.007 and family deltas."""
