"""Migrations of the schema, applied by `hub-controller migrate`."""
