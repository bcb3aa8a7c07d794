"""`classroom doctor`: what is wrong with a class, and the command that mends it."""
