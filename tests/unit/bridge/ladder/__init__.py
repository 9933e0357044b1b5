"""The recovery ladder."""
