"""The admin API: a door to the services."""
