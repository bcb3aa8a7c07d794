"""Helpers that several test suites use: waiting, ports, HTTP, processes, GPUs."""
