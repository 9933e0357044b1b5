"""Scenarios through the API: facts in, decisions, promises, notices and owed work out."""
