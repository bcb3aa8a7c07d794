from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from classroom.db.upgrade import save_copy
from classroom.errors import ClassroomError
from classroom.secrets import load_or_create, load_or_create_proxy_token


def test_secrets_are_created_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = load_or_create(tmp_path, {})
    assert load_or_create(tmp_path, {}) == first
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    files = list(folder.iterdir())
    assert {file.name for file in files} == {"cookie-secret", "crypt-key", "proxy-token", "cli-token", "metrics-token"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_new_state_directory_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    load_or_create(tmp_path / "state", {})
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700, "the directory will contain a database"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system that has no room for another file."""
    mount = ["mount", "-t", "tmpfs", "-o", "nr_inodes=1", "none", tmp_path]
    if (mounted := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"needs root to mount a small file system: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.parametrize("write", [load_or_create, lambda state: save_copy(state, "upgrade")], ids=["secrets", "copy"])
def test_the_remedy_for_a_full_disk_is_space(full_disk: Path, write: Callable[[Path], object]) -> None:
    with pytest.raises(ClassroomError, match=r"No space left on device\); free space on its disk$"):
        write(full_disk)


def test_the_values_are_not_shown(tmp_path: Path) -> None:
    secrets = load_or_create(tmp_path, {})
    assert secrets.proxy_token not in repr(secrets)
    assert secrets.cookie_secret.hex() not in repr(secrets)


def test_the_crypt_key_of_the_environment_wins(tmp_path: Path) -> None:
    assert load_or_create(tmp_path, {"JUPYTERHUB_CRYPT_KEY": "a;b"}).crypt_keys == ("a", "b")


def test_credentials_of_systemd_win_over_generated_ones(tmp_path: Path) -> None:
    given = tmp_path / "credentials"
    given.mkdir()
    (given / "proxy-token").write_text("from-systemd\n")
    assert load_or_create(tmp_path / "state", {"CREDENTIALS_DIRECTORY": str(given)}).proxy_token == "from-systemd"


def test_the_proxy_creates_its_token_alone_and_the_hub_reads_it(tmp_path: Path) -> None:
    token = load_or_create_proxy_token(tmp_path, {})
    assert [file.name for file in (tmp_path / "secrets").iterdir()] == ["proxy-token"]
    assert load_or_create(tmp_path, {}).proxy_token == token


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.chmod(0o644), "chmod 600"),
        (lambda path: path.write_text("\n"), "is empty; remove the file"),
        (lambda path: path.write_text("zz"), "must be hexadecimal"),
        (lambda path: path.write_text("ab"), "at least 32 bytes"),
        (lambda path: path.write_bytes(b"\xff\xfe\xff"), "cannot be read"),
    ],
    ids=["readable by others", "empty", "not hexadecimal", "short", "not text"],
)
def test_an_invalid_secret_is_reported_with_the_remedy(tmp_path: Path, spoil: object, message: str) -> None:
    load_or_create(tmp_path, {})
    spoil(tmp_path / "secrets" / "cookie-secret")  # type: ignore[operator]
    with pytest.raises(ClassroomError, match=message) as error:
        load_or_create(tmp_path, {})
    assert "cookie-secret" in str(error.value)


def test_a_state_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ClassroomError, match="give the state directory to the hub's user"):
        load_or_create(tmp_path / "file", {})
