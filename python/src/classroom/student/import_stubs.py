"""Import stubs that let the server start without the hub's modules and without JupyterLab's build tools.

`jupyterhub.singleuser` imports SQLAlchemy, Alembic and every handler of the hub, for an exception class and two names
of its request log: 0.4 s of each start. Stubs replace them while the extension is imported.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class SQLAlchemyError(Exception):
    """Exception that is never raised: a student's server has no database."""


class HealthCheckHandler:
    """Handler that answers no request: it is the hub's."""


def _record_nothing(_handler: object) -> None:
    """Replace the hub's metrics of each request."""


_STUBS: dict[str, dict[str, object]] = {
    "sqlalchemy": {},
    "sqlalchemy.exc": {"SQLAlchemyError": SQLAlchemyError},
    "jupyterhub.orm": {},
    "jupyterhub.roles": {},
    "jupyterhub.handlers": {},
    "jupyterhub.handlers.pages": {"HealthCheckHandler": HealthCheckHandler},
    "jupyterhub.metrics": {"prometheus_log_method": _record_nothing},
}


@contextmanager
def stubbed_imports() -> Iterator[None]:
    """Replace the hub's modules while the block imports `jupyterhub.singleuser`; later imports get the real ones."""
    absent = {name: attributes for name, attributes in _STUBS.items() if name not in sys.modules}
    for name, attributes in absent.items():
        module = ModuleType(name)
        module.__dict__.update(attributes, __path__=[])
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def disable_lab_builds() -> None:
    """Stop JupyterLab from calling Yarn for its registry, which takes 0.4 s to 0.9 s of its import where there is Node.

    Nothing is built in a student's server. Without Node, upstream returns the same.
    """
    from jupyterlab import commands  # noqa: PLC0415 - only where it is used

    commands._yarn_config = lambda _logger: {"yarn config": {}, "npm config": {}}  # noqa: SLF001
