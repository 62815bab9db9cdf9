"""The client in asyncio."""
