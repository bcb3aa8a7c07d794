"""JupyterHub for a class on a GPU server."""

__version__ = "0.1.0"
