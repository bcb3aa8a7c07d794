from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jupyterhub import orm
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from classroom.db.models import Base

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def db() -> Iterator[Session]:
    """Return a session of a database with the hub's tables and ours, all empty."""
    engine = create_engine("sqlite://")
    orm.Base.metadata.create_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
