from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from classroom.errors import ClassroomError
from classroom.migrate_compose.project_files import find_project, match_folders


def names(folder: Path, *accounts: str) -> tuple[dict[str, str], tuple[str, ...]]:
    folders = match_folders(folder / "data/student-notebooks", frozenset(accounts))
    return {name: path.name for name, path in folders.paths.items()}, folders.problems


def fill(folder: Path, *students: str) -> None:
    for student in students:
        place = folder / "data/student-notebooks" / student
        place.mkdir(exist_ok=True)
        (place / "notebook.ipynb").write_text("{}")


def test_all_files_of_a_project_are_found(folder: Path) -> None:
    found = find_project(folder, None, None, None)
    assert found.database == folder / "data/jupyterhub.sqlite"
    assert found.notebooks == folder / "data/student-notebooks"
    assert (found.users, found.environment, found.config) == (
        folder / "config/users.txt",
        folder / ".env",
        folder / "config/jupyterhub_config.py",
    )


def test_a_database_in_the_engines_volume_is_found(folder: Path, tmp_path: Path) -> None:
    volume = tmp_path / "_data"
    volume.mkdir()
    (folder / "data/jupyterhub.sqlite").rename(volume / "jupyterhub.sqlite")
    assert find_project(folder, None, None, volume).database == volume / "jupyterhub.sqlite"
    assert find_project(folder, None, None, None).database is None


def mistaken(folder: Path, wrong: str) -> Path:
    """Return the argument of `classroom adopt` in a mistaken case."""
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    match wrong:
        case "no such folder":
            return folder / "none"
        case "a file":
            return folder / "docker-compose.yml"
        case "another project":
            return elsewhere
        case "a loop":
            (elsewhere / "loop").symlink_to(elsewhere / "loop")
            return elsewhere / "loop"
    place, target = {
        "notebooks elsewhere": ("data/student-notebooks", elsewhere),
        "database elsewhere": ("data/jupyterhub.sqlite", Path("/etc/passwd")),
        "users elsewhere": ("config/users.txt", Path("/etc/passwd")),
        "secrets elsewhere": (".env", Path("/etc/shadow")),
    }[wrong]
    path = folder / place
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(target)
    return folder


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("no such folder", "there is no such directory; name the one of the docker-compose project"),
        ("a loop", "there is no such directory"),
        ("a file", "is a file; name the directory that it is in"),
        (
            "another project",
            "has neither docker-compose.yml nor data/student-notebooks; name the directory of the project, in which",
        ),
        ("notebooks elsewhere", "a link out of the directory, to .*elsewhere; name its target: --notebooks /"),
        ("database elsewhere", "a link out of the directory, to /etc/passwd; name its target: --database /etc/"),
        ("users elsewhere", "a link out of the directory, to /etc/passwd; put the file itself there"),
        ("secrets elsewhere", "a link out of the directory, to /etc/shadow; put the file itself there"),
    ],
)
def test_a_wrong_directory_is_refused_with_the_remedy(folder: Path, wrong: str, message: str) -> None:
    with pytest.raises(ClassroomError, match=message):
        find_project(mistaken(folder, wrong), None, None, None)


def test_a_directory_that_disappears_meanwhile_is_an_error(folder: Path) -> None:
    with pytest.raises(ClassroomError, match=r"none: cannot be read \(No such file or directory\); run this as root"):
        match_folders(folder / "none", frozenset())


def test_a_path_that_is_given_must_exist(folder: Path) -> None:
    with pytest.raises(ClassroomError, match="no such file"):
        find_project(folder, folder / "none.sqlite", None, None)
    with pytest.raises(ClassroomError, match="no such directory"):
        find_project(folder, None, folder / "none", None)


def test_directories_are_found_by_the_names_that_the_spawner_mounted(folder: Path) -> None:
    fill(folder, "mary-2dann", "anna-40example-2eorg")
    (folder / "data/student-notebooks/mary-ann").mkdir()  # made by the project, and never mounted
    found, left = names(folder, "ada", "grace", "mary-ann", "anna@example.org")
    assert found == {
        "ada": "ada",
        "grace": "grace",
        "mary-ann": "mary-2dann",
        "anna@example.org": "anna-40example-2eorg",
    }
    assert left == ()


@pytest.mark.parametrize(
    ("folders", "accounts", "message"),
    [
        (["Ada"], ["ada"], "Ada: no account has this name, and ada differs from it by capital letters only"),
        (["Zoe", "zoe"], [], "Zoe: differs from zoe by capital letters only"),
        (
            ["mary-ann", "mary-2dann"],
            ["mary-ann"],
            "mary-ann: mary-ann and mary-2dann both contain files of this student",
        ),
    ],
    ids=["an account", "two folders", "two of one student"],
)
def test_colliding_names_are_reported_with_the_remedy(
    folder: Path, folders: list[str], accounts: list[str], message: str
) -> None:
    fill(folder, *folders)
    _, left = names(folder, *accounts)
    assert message in "\n".join(left)
    assert "run this again" in left[0]


def test_links_and_files_among_the_directories_are_not_migrated(folder: Path) -> None:
    notebooks = folder / "data/student-notebooks"
    (notebooks / "eve").symlink_to("/etc")
    (notebooks / "README.md").write_text("not a student")
    found, left = names(folder, "ada", "eve")
    assert "eve" not in found
    assert sorted(note.partition(":")[0] for note in left) == ["README.md", "eve"]
    assert "a link to /etc; put the directory itself there" in "\n".join(left)
