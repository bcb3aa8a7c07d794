"""The students' image without Nix: Debian, a Python environment from the locks, this project's student part.

Only the standard library: it runs before anything is installed.
"""
