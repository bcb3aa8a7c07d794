"""A later release of the class: this checkout's package with one more migration, at /opt/newer of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.db import migrations
from machine.systems import PLAIN, build_system

if TYPE_CHECKING:
    from pathlib import Path

    from machine.machine import Machine

WAIT = "/opt/newer/wait"
"""While this file exists, the migration does not end."""
BEGUN = "/var/lib/classroom/migration-begun"
"""The migration makes this file when it has begun."""

_MIGRATION = f"""
import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{migrations.head()}"


def upgrade():
    op.create_table("classroom_newer", sa.Column("id", sa.Integer, primary_key=True))
    Path("{BEGUN}").touch()
    while Path("{WAIT}").exists():
        time.sleep(0.1)
"""


def install_newer(machine: Machine) -> Path:
    """Put a later release on a machine, and return the system that uses it."""
    machine.shell("mkdir -p /opt/newer; cp -r /opt/classroom/lib/python3.*/site-packages/classroom /opt/newer/")
    versions = "/opt/newer/classroom/db/migrations/versions"
    machine.shell(f"cat > {versions}/r9999_newer.py", stdin=_MIGRATION)
    return build_system("minimal", PLAIN, "./newer.nix", image=True)
