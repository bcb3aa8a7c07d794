"""`make demo`: a class on this machine in a directory of its own."""
