"""What runs inside a student's container: JupyterLab for one person, known to the hub.

Nothing of the hub side is imported here: the image holds Jupyter, `jupyterhub.singleuser` and this package only.
"""

from __future__ import annotations


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    from classroom.student.server import StudentServer  # noqa: PLC0415 - the tests read other modules without Jupyter

    return [{"module": "classroom.student", "app": StudentServer}]
