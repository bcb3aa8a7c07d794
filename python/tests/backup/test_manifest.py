from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from classroom.backup.manifest import HomeTarget, Manifest, SavedHome, home_targets, parse_manifest, rename_home
from classroom.db.sqlite import Revisions
from classroom.errors import ClassroomError

ADA = SavedHome("ada", "classroom-home-ada", Path("/v/classroom-home-ada/_data"))
OLD = SavedHome("bob", "classroom-home-bob", Path("/v/classroom-home-bob/_data"), archived=True)
BOB = SavedHome("bob", "classroom-home-bob--2", Path("/v/classroom-home-bob--2/_data"))
MANIFEST = Manifest(
    made="2026-11-25T20:00:00+00:00",
    host="server",
    prefix="classroom",
    versions={"classroom": "0.1.0"},
    database=Revisions("f460b0348206", "0002"),
    folder=Path("/state/classroom-backup"),
    settings="settings.json",
    homes=(ADA, OLD, BOB),
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert parse_manifest(MANIFEST.as_json()) == MANIFEST


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": "x"}'])
def test_an_invalid_manifest_is_reported(text: str) -> None:
    with pytest.raises(ClassroomError, match="cannot be read"):
        parse_manifest(text)


def test_a_backup_of_a_newer_version_is_refused() -> None:
    with pytest.raises(ClassroomError, match="newer version"):
        parse_manifest(MANIFEST.as_json().replace('"format": 1', '"format": 2'))


def test_all_homes_keep_their_locations() -> None:
    assert home_targets(MANIFEST, "classroom") == tuple(HomeTarget(home, home.location) for home in MANIFEST.homes)


def test_a_class_with_another_prefix_gets_separate_homes() -> None:
    locations = [target.location for target in home_targets(MANIFEST, "physics")]
    assert locations == ["physics-home-ada", "physics-home-bob", "physics-home-bob--2"]


@pytest.mark.parametrize(
    ("student", "here", "expected"),
    [
        pytest.param("ada", {}, HomeTarget(ADA, "classroom-home-ada"), id="where it was"),
        pytest.param("bob", {}, HomeTarget(BOB, "classroom-home-bob--2"), id="not the home of the removed account"),
        pytest.param(
            "ada", {"ada": "classroom-home-ada--2"}, HomeTarget(ADA, "classroom-home-ada--2"), id="where it is now"
        ),
    ],
)
def test_one_students_home_is_restored_to(student: str, here: dict[str, str], expected: HomeTarget) -> None:
    assert home_targets(MANIFEST, "classroom", student, here) == (expected,)


def test_the_message_for_a_missing_home_lists_the_students() -> None:
    with pytest.raises(ClassroomError, match="students with a home there: ada, bob"):
        home_targets(MANIFEST, "classroom", "eve")
    with pytest.raises(ClassroomError, match="students with a home there: ada"):
        home_targets(replace(MANIFEST, homes=(ADA, OLD)), "classroom", "bob")


@pytest.mark.parametrize(
    ("location", "expected"),
    [("lab-home-ada", "new-home-ada"), ("other-home-lab-home-ada", "other-home-lab-home-ada"), ("lab", "lab")],
)
def test_only_the_classs_own_prefix_is_renamed(location: str, expected: str) -> None:
    assert rename_home(location, "lab", "new") == expected
