"""The AT engine."""
