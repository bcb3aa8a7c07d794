"""JupyterHub for a class on a GPU server."""
