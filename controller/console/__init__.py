"""The web console: another door to the same services."""
