"""The server, and everything else that needs no torch: rows, searches, charts, pages and files."""
