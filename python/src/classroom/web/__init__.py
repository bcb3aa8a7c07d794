"""The hub's pages and HTTP API."""
