"""Spawners: students' servers in containers, or as processes for a demonstration."""
