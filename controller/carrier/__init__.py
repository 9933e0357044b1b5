"""The port to carriers' SIM platforms, and its adapters."""
