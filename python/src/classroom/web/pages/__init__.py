"""Pages under /hub."""
