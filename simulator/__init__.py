"""Hub hardware, networks and carriers to test against."""
