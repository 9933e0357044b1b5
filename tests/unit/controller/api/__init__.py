"""The admin API through its ASGI door."""
