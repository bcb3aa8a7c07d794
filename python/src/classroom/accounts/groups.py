"""Settings of accounts by group: the groups of the settings, and JupyterHub's groups of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyterhub import orm
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from classroom.settings.groups import StudentRules, groups_of_account, student_rules

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from classroom.settings.models import Gpu, Settings


def account_settings(db: Session, settings: Settings, names: Collection[str]) -> dict[str, StudentRules]:
    """Return the settings that apply to each of these accounts now."""
    hub_groups: dict[str, list[str]] = {}
    if settings.groups and names:
        users = select(orm.User).where(orm.User.name.in_(names)).options(selectinload(orm.User.groups))
        hub_groups = {user.name: [group.name for group in user.groups] for user in db.scalars(users)}
    groups = {name: groups_of_account(settings, name, hub_groups.get(name, ())) for name in names}
    by_groups = {combination: student_rules(settings, combination) for combination in set(groups.values())}
    return {name: by_groups[combination] for name, combination in groups.items()}


def account_gpu_settings(db: Session, settings: Settings, names: Collection[str]) -> dict[str, Gpu]:
    """Return the GPU settings of each of these accounts; empty where the class has no groups."""
    if not settings.groups:
        return {}
    return {name: current.gpu for name, current in account_settings(db, settings, names).items()}
