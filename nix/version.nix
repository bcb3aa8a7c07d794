# Version of the project, read from the Python package.
{ lib }:
lib.head (
  lib.match ".*__version__ = \"([^\"]+)\".*" (lib.readFile ../python/src/classroom/__init__.py)
)
