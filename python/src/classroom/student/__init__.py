"""Server in a student's container: JupyterLab for one person, with logins of the hub.

This package imports nothing of the hub's side: the image holds Jupyter, `jupyterhub.singleuser` and this package only.
"""

from __future__ import annotations


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    from classroom.student.server import StudentServer  # noqa: PLC0415 - the tests read other modules without Jupyter

    return [{"module": "classroom.student", "app": StudentServer}]
