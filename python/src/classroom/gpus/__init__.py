"""Who gets which GPU: what the machine has, who holds what, and whose turn it is."""
