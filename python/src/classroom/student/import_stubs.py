"""Import JupyterHub's single-user extension without the hub, and JupyterLab without its build tools.

`jupyterhub.singleuser` brings SQLAlchemy, Alembic and every handler of the hub along, for an exception class and two
names of its request log: 0.4 s of each start. Stand-ins take their place while the extension is imported.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class SQLAlchemyError(Exception):
    """Never raised: there is no database here."""


class HealthCheckHandler:
    """No request here is answered by the hub's handler of this name."""


def _record_nothing(_handler: object) -> None:
    """Stand in for the hub's metrics of each request."""


_STAND_INS: dict[str, dict[str, object]] = {
    "sqlalchemy": {},
    "sqlalchemy.exc": {"SQLAlchemyError": SQLAlchemyError},
    "jupyterhub.orm": {},
    "jupyterhub.roles": {},
    "jupyterhub.handlers": {},
    "jupyterhub.handlers.pages": {"HealthCheckHandler": HealthCheckHandler},
    "jupyterhub.metrics": {"prometheus_log_method": _record_nothing},
}


@contextmanager
def stand_ins() -> Iterator[None]:
    """Replace the hub's modules while the block imports `jupyterhub.singleuser`; the real ones can be had later."""
    absent = {name: attributes for name, attributes in _STAND_INS.items() if name not in sys.modules}
    for name, attributes in absent.items():
        module = ModuleType(name)
        module.__dict__.update(attributes, __path__=[])
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def no_builds() -> None:
    """Keep JupyterLab from asking Yarn for its registry: where there is Node, 0.4 s to 0.9 s of its import.

    Nothing is built in a student's server; without Node upstream returns the same.
    """
    from jupyterlab import commands  # noqa: PLC0415 - only where it is used

    commands._yarn_config = lambda _logger: {"yarn config": {}, "npm config": {}}  # noqa: SLF001
