"""`classroom doctor`: the problems of a class, and the command that fixes each."""
