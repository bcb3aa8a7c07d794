# The project's version, from where Python has it.
{ lib }:
lib.head (
  lib.match ".*__version__ = \"([^\"]+)\".*" (lib.readFile ../python/src/classroom/__init__.py)
)
