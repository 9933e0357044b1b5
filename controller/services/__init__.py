"""Synchronous transactions, one file a noun."""
