"""`make demo`: a class on this machine, set up in a folder of its own. Only the standard library is there at first."""
