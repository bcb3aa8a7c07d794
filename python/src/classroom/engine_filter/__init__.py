"""The filter between the hub and the Docker engine: it passes what the class needs, and nothing else.

A process that reaches the engine's socket is root on the machine (https://docs.docker.com/engine/security/). The hub
reaches this filter's socket. A request is read completely, checked against the settings, and written again from what
was understood: no byte of it goes on to the engine.
"""
