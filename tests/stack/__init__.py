"""The real parts of a class, started on any Linux machine in namespaces of their own.

`python -m stack run -- CMD` starts Docker Engine, class bridge, Nginx, proxy and hub, runs CMD, and removes
everything at the end. See `python -m stack --help`.
"""

from stack.requirements import missing

__all__ = ["missing"]
