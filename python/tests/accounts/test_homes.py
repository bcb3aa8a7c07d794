from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from classroom.accounts import service
from classroom.accounts.homes import archive_home, forget_home, home_location, recorded_home
from classroom.db.models import Home

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def test_an_account_keeps_its_home(db: Session) -> None:
    assert home_location(db, "ada", "ada") == "classroom-home-ada"
    db.expire_all()
    assert home_location(db, "ada", "ada") == "classroom-home-ada"
    assert db.query(Home).count() == 1


def test_the_next_account_of_a_name_gets_another_home_each_time(db: Session) -> None:
    places = []
    for _ in range(3):
        places.append(home_location(db, "ada", "ada"))
        service.remove_account(db, "ada")
    assert places == ["classroom-home-ada", "classroom-home-ada--2", "classroom-home-ada--3"]
    assert all(home.archived_at is not None for home in db.query(Home))


@pytest.mark.attack(80)
def test_two_names_never_share_a_home(db: Session) -> None:
    places = [
        home_location(db, name, escaped) for name, escaped in [("a", "x"), ("b", "x"), ("x_", "x_"), ("xx", "xx")]
    ]
    assert len(set(places)) == 4


def test_archiving_a_missing_home_changes_nothing(db: Session) -> None:
    home_location(db, "ada", "ada")
    archive_home(db, "bob")
    assert home_location(db, "ada", "ada") == "classroom-home-ada"


def test_two_classes_on_one_engine_share_no_home(db: Session) -> None:
    assert home_location(db, "ada", "ada", "physics") == "physics-home-ada"


def test_a_home_that_was_never_created_is_forgotten_and_earlier_ones_of_the_name_stay(db: Session) -> None:
    home_location(db, "ada", "ada")
    archive_home(db, "ada")
    assert home_location(db, "ada", "ada") == "classroom-home-ada--2"
    forget_home(db, "ada")
    assert recorded_home(db, "ada") is None
    assert home_location(db, "ada", "ada") == "classroom-home-ada--2"
