"""Students' homes as folders: made, bounded and measured by a small helper with root's rights."""
