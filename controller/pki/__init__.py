"""Certificates of hubs: what a request must be, who signs it, and the list of those that ended."""
