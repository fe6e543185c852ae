"""The explorer: pages in a browser that show what models recommend, and why, over the HTTP service."""
