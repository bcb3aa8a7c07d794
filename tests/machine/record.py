"""Record of a host as text in tests/machine/recorded: what the class adds to a NixOS. `make recorded` writes it.

The record has the files of /etc (units among them), the files of the store that these name, and users in the form of
sysusers.d(5): all that differs between a system with the class and one without. Hashes are left out of the names of the
store. Programs are not in it: a machine with the record has Debian's (replay.py).
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from nix.evaluation import REPOSITORY

RECORD = Path(__file__).with_name("recorded")
LINKS = "links"
"""File of the record with a line `PATH TARGET` for each link."""
_RELEASE = "release"
_USERS = "etc/sysusers.d/classroom.conf"
_STORE = re.compile(r"/nix/store/[0-9a-z]{32}-([\w.+?=-]+)")
_FOR_PROGRAMS = ("dbus-1/", "systemd/system/dbus.", "systemd/user/")
"""Parts of /etc that differ only because there are more programs."""
_LINES = ("sysctl.d/", "tmpfiles.d/")
"""Parts of /etc of which only the lines that the class adds are recorded."""
_TRIGGERS = re.compile(r"^X-Restart-Triggers=.*\n", re.MULTILINE)
PROGRAMS = re.compile(
    r".+-host|classroom|configurable-http-proxy|dbus|dnsmasq|docker|iproute2|iptables|nftables|openssh|perl|restic"
)
"""Names of packages with programs, which are not recorded (programs.nix, tests/nix/host-toolchain.nix)."""
DIRECTIVES = REPOSITORY / "modules/nginx"
"""A directory of this checkout that the record leaves out of the store."""
PAGES = DIRECTIVES / "pages"
"""Another one, which the proxy has alone."""


def write(content: dict[str, str], directory: Path = RECORD) -> None:
    """Write a record in place of the current one."""
    shutil.rmtree(directory, ignore_errors=True)
    for name, text in content.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def recorded(directory: Path = RECORD) -> dict[str, str]:
    """Return the current record: text by file name."""
    files = [file for file in directory.rglob("*") if file.is_file()]
    return {str(file.relative_to(directory)): file.read_text(encoding="utf-8") for file in files}


def release(content: dict[str, str]) -> str:
    """Return the NixOS release of a record, such as 24.11."""
    return content[_RELEASE].strip()


def read(toplevel: Path, without: Path) -> dict[str, str]:
    """Return the record of a system with the class.

    Args:
        toplevel: of the system.
        without: toplevel of the same system without the class.

    Raises:
        ValueError: two files would have the same name in the record.
    """
    content = {_RELEASE: f"{(toplevel / 'nixos-version').read_text(encoding='utf-8')[:5]}\n"}
    before, after = _tree(without / "etc"), _tree(toplevel / "etc")
    added = {f"etc/{name}": _addition(name, text, before.get(name, "")) for name, text in after.items()}
    added = {name: text for name, text in added.items() if text}
    # A changed unit is started by the same links as before.
    units = {f"\0../{Path(name).name}" for name in added}
    added |= {f"etc/{name}": text for name, text in after.items() if text in units}
    found = added | _store_files(added)
    links = [f"{name} {text[1:]}\n" for name, text in sorted(found.items()) if text.startswith("\0")]
    files = {name: text for name, text in found.items() if not text.startswith("\0")}
    content |= files | {_USERS: _users(toplevel, without), LINKS: "".join(links)}
    return {name: _STORE.sub(r"/nix/store/\1", text) for name, text in sorted(content.items())}


def _tree(directory: Path) -> dict[str, str]:
    """Return text by name of the files below a directory; that of a link out of the store begins with a zero."""
    found = {}
    for entry in directory.resolve().iterdir():
        target = str(entry.readlink()) if entry.is_symlink() else ""
        if target and not target.startswith("/nix/store/"):
            found[entry.name] = f"\0{target}"
        elif entry.is_dir():
            found |= {f"{entry.name}/{name}": text for name, text in _tree(entry).items()}
        elif entry.exists():
            found[entry.name] = _text(entry)
    return found


def _addition(name: str, text: str, before: str) -> str:
    """Return what the class adds to a file of /etc: the file where it differs; empty if it adds nothing."""
    if name.startswith(_FOR_PROGRAMS) or _TRIGGERS.sub("", text) == _TRIGGERS.sub("", before):
        return ""
    if name.startswith(_LINES):
        return "".join(f"{line}\n" for line in text.splitlines() if line not in before.splitlines())
    return text


def _text(file: Path) -> str:
    """Return the text of a file; that of one that is no text is left out."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "no text\n"


def _store_files(texts: dict[str, str]) -> dict[str, str]:
    """Return the files of the store that texts name, and those that these name."""
    found: dict[str, str] = {}
    seen: dict[str, Path] = {}
    waiting = list(texts.values())
    while waiting:
        for match in _STORE.finditer(waiting.pop()):
            path, name = Path(match[0]), match[1]
            if seen.setdefault(name, path) != path:
                raise ValueError(f"{path} and {seen[name]} have the same name in the record")
            if any(key.split("/")[1] == name for key in found) or not _is_recorded(path, name):
                continue
            files = _tree(path) if path.is_dir() else {"": _text(path)}
            found |= {f"store/{name}/{file}".rstrip("/"): text for file, text in files.items()}
            waiting += files.values()
    return found


def _is_recorded(path: Path, name: str) -> bool:
    names = {file.name for file in path.iterdir()} if path.is_dir() else None
    is_directives = names in [{file.name for file in directory.iterdir()} for directory in (DIRECTIVES, PAGES)]
    return not PROGRAMS.fullmatch(name) and not name.startswith("X-Restart-Triggers") and not is_directives


def _users(toplevel: Path, without: Path) -> str:
    """Return users, groups and members that the class adds."""
    return "".join(f"{line}\n" for line in sorted(_sysusers(toplevel) - _sysusers(without)))


def _sysusers(toplevel: Path) -> set[str]:
    activation = (toplevel / "activate").read_text(encoding="utf-8")
    (file,) = set(re.findall(r"/nix/store/\S+-users-groups\.json", activation))
    known = json.loads(Path(file).read_text(encoding="utf-8"))
    lines = {f"g {group['name']} {group['gid'] or '-'}" for group in known["groups"]}
    lines |= {f"m {member} {group['name']}" for group in known["groups"] for member in group["members"]}
    return lines | {f"u {user['name']} {user['uid'] or '-'} - {user['home']}" for user in known["users"]}


def main() -> None:
    """Build the host and write its record."""
    from machine.systems import read_fresh  # noqa: PLC0415 - it needs Nix

    write(read_fresh())


if __name__ == "__main__":
    main()
