from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from jupyterhub import orm, roles
from traitlets.config import Config

from classroom.accounts.authenticator import ClassroomAuthenticator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

ROUNDS = 4


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def empty_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a hub's database after its first start. Tests copy it, because creating it is slow."""
    file = tmp_path_factory.mktemp("hub") / "jupyterhub.sqlite"
    session: Session = orm.new_session_factory(f"sqlite:///{file}")()
    for role in roles.get_default_roles():
        roles.create_role(session, role)
    session.add(orm.OAuthClient(identifier="jupyterhub"))
    session.commit()
    session.close()
    return file


@pytest.fixture
def bare_db(empty_hub: Path, tmp_path: Path) -> Iterator[Session]:
    """Return a session of the hub's database without our tables."""
    file = shutil.copy(empty_hub, tmp_path)
    session: Session = orm.new_session_factory(f"sqlite:///{file}")()
    yield session
    session.close()


@pytest.fixture
def make(bare_db: Session, tmp_path: Path) -> Callable[..., ClassroomAuthenticator]:
    """Return a function that creates an authenticator over that database, as the hub does at its start."""

    def build(**traits: object) -> ClassroomAuthenticator:
        settings = {
            "admin_users": {"teacher"},
            "bcrypt_rounds": ROUNDS,
            "secrets_dir": str(tmp_path / "secrets"),
            **traits,
        }
        return ClassroomAuthenticator(
            config=Config({"ClassroomAuthenticator": settings}), _deprecated_db_session=bare_db
        )

    return build


@pytest.fixture
def auth(make: Callable[..., ClassroomAuthenticator]) -> ClassroomAuthenticator:
    return make()


@pytest.fixture
def db(bare_db: Session, auth: ClassroomAuthenticator) -> Session:
    """Return a session of the hub's database with all tables."""
    del auth
    return bare_db
