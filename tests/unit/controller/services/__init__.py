"""Transactions, noun by noun."""
