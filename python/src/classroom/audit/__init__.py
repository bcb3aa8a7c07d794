"""Audit log: who did what, when and from which address, as one JSON line for each event."""
