"""The port to e-mail and SMS, and its adapters."""
