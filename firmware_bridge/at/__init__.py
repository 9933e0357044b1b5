"""The AT command language, sans-io, and the one channel that knows asyncio."""
