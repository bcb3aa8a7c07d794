"""Packages of the proxy's lock in a directory, for images.nix."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from nix.evaluation import REPOSITORY

LOCKS = REPOSITORY / "python/locks/npm"


def fetch(folder: Path) -> None:
    """Fill a directory with the packages of the lock, once for each content of it; npm knows the registry.

    A file has the name of its hash, as the lock writes it, with `/` as `_`.

    Raises:
        subprocess.CalledProcessError: npm could not.
    """
    lock = (LOCKS / "package-lock.json").read_text()
    if (folder / "lock").exists() and (folder / "lock").read_text() == lock:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    hashes = [module["integrity"] for path, module in json.loads(lock)["packages"].items() if path]
    with tempfile.TemporaryDirectory() as directory:
        place, cache = Path(directory).resolve(), Path(directory).resolve() / "cache"  # npm refuses links
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCKS / name, place)
        command = ["npm", "ci", f"--prefix={place}", f"--cache={cache}", "--ignore-scripts", "--no-audit"]
        subprocess.run(command, check=True, capture_output=True)
        for integrity in hashes:
            kind, _, text = integrity.partition("-")
            digest = _hexadecimal(text)
            content = cache / "_cacache/content-v2" / kind / digest[:2] / digest[2:4] / digest[4:]
            shutil.copy(content, folder / integrity.replace("/", "_"))
    (folder / "lock").write_text(lock)


def _hexadecimal(base64_text: str) -> str:
    return base64.b64decode(base64_text).hex()
