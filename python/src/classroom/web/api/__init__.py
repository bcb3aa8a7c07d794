"""HTTP API under /hub/api/classroom."""
