"""`make demo`: a class on this machine in a directory of its own. Only the standard library is there at first."""
