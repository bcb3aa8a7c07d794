"""Which groups of the settings people are in: those that name them, and JupyterHub's groups of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyterhub import orm
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from classroom.settings.groups import Effective, effective, membership

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from classroom.settings.models import Gpu, Settings


def account_settings(db: Session, settings: Settings, names: Collection[str]) -> dict[str, Effective]:
    """What holds for each of these accounts now."""
    in_hub: dict[str, list[str]] = {}
    if settings.groups and names:
        users = select(orm.User).where(orm.User.name.in_(names)).options(selectinload(orm.User.groups))
        in_hub = {user.name: [group.name for group in user.groups] for user in db.scalars(users)}
    found: dict[tuple[str, ...], Effective] = {}
    answer = {}
    for name in names:
        groups = membership(settings, name, in_hub.get(name, ()))
        if groups not in found:
            found[groups] = effective(settings, groups)
        answer[name] = found[groups]
    return answer


def account_gpu_settings(db: Session, settings: Settings, names: Collection[str]) -> dict[str, Gpu]:
    """The same, of GPUs alone."""
    return {name: each.gpu for name, each in account_settings(db, settings, names).items()} if settings.groups else {}
