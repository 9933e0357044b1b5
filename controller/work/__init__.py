"""Owed work carried out: claim, recompute, do, record."""
