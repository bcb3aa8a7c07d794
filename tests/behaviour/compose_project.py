"""The docker-compose project that this one replaces, with the files that its set-up and its hub made on a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

Verb = Callable[..., str]

# As stock NativeAuthenticator 1.3.0 on JupyterHub 5.5.4 hashed them; the third has 72 bytes.
KNOWN = {
    "correct horse battery": "$2b$12$OI9T3ny.CUUSbD.8HOxvsOVSASGiOYLXEz2sg.BU2GQOpMi7gw7tu",
    "grüße aus köln": "$2b$12$yK7ag2t6Ctb8uQO2u88V7epNSPkSNByZk.3B3erHboRGamhG1riOq",
    "seventy-two-bytes-are-all-that-bcrypt-takes-and-this-is-exactly-as-long-": (
        "$2b$12$GaALXEp.Fzp79e7dYn.LBuoRRfCSOua6i0Xf57jcuo.aeqbStl7ri"
    ),
}
BATTERY, COLOGNE, LONG = KNOWN

_SCRIPT = """
import json, os, pathlib, sqlite3, sys
given = json.loads(sys.argv[1])
top = pathlib.Path(given["folder"])
os.umask(0o022)
for path, text in given["files"].items():
    file = top / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
for folder, _, names in os.walk(top / "data/student-notebooks"):
    for path in (folder, *(os.path.join(folder, name) for name in names)):
        os.chown(path, 1000, 100)
with sqlite3.connect(top / "data/jupyterhub.sqlite") as database:
    database.executescript(\"\"\"
        CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
        INSERT INTO alembic_version VALUES ('4621fec11365');
        CREATE TABLE users (
            id INTEGER PRIMARY KEY, name VARCHAR(255) UNIQUE, admin BOOLEAN, created DATETIME, last_activity DATETIME,
            cookie_id VARCHAR(255), state TEXT, encrypted_auth_state BLOB
        );
        CREATE TABLE users_info (
            id INTEGER PRIMARY KEY, username VARCHAR(128) NOT NULL, password BLOB NOT NULL, is_authorized BOOLEAN,
            login_email_sent BOOLEAN, email VARCHAR(128), has_2fa BOOLEAN, otp_secret VARCHAR(16)
        );
    \"\"\")
    for name, hashed, approved in given["people"]:
        row = (name, hashed.encode(), approved, False, None, False, "KRSDR6IUOQQWZHFA")
        database.execute("INSERT INTO users_info VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)
        if approved:
            database.execute("INSERT INTO users VALUES (NULL, ?, 0, NULL, NULL, ?, NULL, NULL)", (name, name))
"""
_KEY = "6d1f" * 16


@dataclass(frozen=True)
class ComposeProject:
    """A directory on the server with such a project."""

    server: Verb
    folder: str

    @classmethod
    def make(cls, server: Verb, folder: str, people: dict[str, str | None], files: dict[str, str]) -> ComposeProject:
        """Create a project and return it.

        Args:
            server: runs commands on the server.
            folder: the directory to create.
            people: passwords (of `KNOWN`) by username; None for a student who waits for approval.
            files: texts by their path below data/student-notebooks.
        """
        site = {
            "docker-compose.yml": "services: {}\n",
            "config/users.txt": "# Admin users (one per line)\n# Regular users\n",
            "config/jupyterhub_config.py": "c.DockerSpawner.extra_host_config = {'device_requests': [{'Count': -1}]}\n",
            ".env": f"JUPYTERHUB_CRYPT_KEY={_KEY}\nJUPYTERHUB_LOG_LEVEL=WARNING\n",
        }
        rows = [(name, KNOWN[password or BATTERY], password is not None) for name, password in people.items()]
        homes = {f"data/student-notebooks/{path}": text for path, text in files.items()}
        given = {"folder": folder, "files": site | homes, "people": rows}
        server("exec", "python3", "-c", _SCRIPT, json.dumps(given))
        return cls(server, folder)

    def digest(self) -> str:
        """Return a listing that changes whenever a file of the project does."""
        script = 'cd "$1" && find . -printf "%p %U %G %m %T@\\n" | sort && find . -type f -exec sha256sum {} + | sort'
        return self.server("exec", "sh", "-c", script, "sh", self.folder)
