"""Repository that opens without delay.

restic makes a password expensive to guess: creating a repository takes three seconds, and each use half a second. The
tests open their repositories hundreds of times. The stored data is still encrypted
(https://restic.readthedocs.io/en/stable/100_references.html#keys-encryption-and-mac).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305


def make_quick(repository: Path, password: str) -> None:
    """Replace the key of a repository: the password stays, and deriving the key takes almost no work."""
    (file,) = (repository / "keys").iterdir()
    key = json.loads(file.read_text())
    sealed = base64.b64decode(key["data"])
    plain = _aes(_derived(key, password)[:32], modes.CTR(sealed[:16]), sealed[16:-16])
    key |= {"N": 2, "r": 1, "p": 1}
    new, nonce = _derived(key, password), os.urandom(16)
    encrypted = _aes(new[:32], modes.CTR(nonce), plain)
    tag = Poly1305.generate_tag(new[48:] + _aes(new[32:48], modes.ECB(), nonce), encrypted)  # noqa: S305 - one block
    key["data"] = base64.b64encode(nonce + encrypted + tag).decode()
    text = json.dumps(key)
    file.unlink()
    (file.parent / hashlib.sha256(text.encode()).hexdigest()).write_text(text)


def _derived(key: dict[str, Any], password: str) -> bytes:
    """Return the keys for encryption (32 bytes) and for signatures (16 and 16)."""
    work = {"n": key["N"], "r": key["r"], "p": key["p"], "maxmem": 1 << 30}
    return hashlib.scrypt(password.encode(), salt=base64.b64decode(key["salt"]), dklen=64, **work)


def _aes(key: bytes, mode: modes.CTR | modes.ECB, data: bytes) -> bytes:
    made = Cipher(algorithms.AES(key), mode).encryptor()
    return made.update(data) + made.finalize()
