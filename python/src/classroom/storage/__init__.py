"""Students' homes as directories: created, limited and measured by a small helper with root's rights."""
