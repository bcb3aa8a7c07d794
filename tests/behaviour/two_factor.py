"""An authenticator app, and a person who uses it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from behaviour.people import PASSWORD, Visitor, page_messages
from support.waiting import wait_until

if TYPE_CHECKING:
    import httpx


@dataclass
class Phone:
    """An authenticator app (RFC 6238), of which each code is a later one than the last."""

    key: str
    step: int = 0

    def code(self) -> str:
        """Return a code that has not been used, as soon as there is one that the hub may accept."""
        if self.step == 0:
            # With time left, so that three codes in a row are accepted.
            wait_until(lambda: time.time() % 30 < 15, "a new step", 20)
            self.step = int(time.time()) // 30 - 2
        self.step += 1
        wait_until(lambda: self.step <= int(time.time()) // 30 + 1, "the next code", 60)
        return self.at(self.step)

    def at(self, step: int) -> str:
        digest = hmac.digest(base64.b32decode(self.key), struct.pack(">Q", step), hashlib.sha1)
        start = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


def turn_on(visitor: Visitor) -> tuple[Phone, list[str]]:
    """Set two-factor login up; return the app and the recovery codes."""
    page = visitor.post("/hub/two-factor", {"action": "begin", "password": PASSWORD})
    match = re.search(r'id="setup-key">([A-Z2-7]+)<', page.text)
    assert match, page_messages(page)
    assert "<svg" in page.text
    phone = Phone(match[1])
    page = visitor.post("/hub/two-factor", {"action": "confirm", "code": phone.code()})
    assert "Two-factor login is on" in page.text, page_messages(page)
    return phone, re.findall(r"<li>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</li>", page.text)


def login(visitor: Visitor, name: str, code: str) -> httpx.Response:
    page = visitor.sign_in(name)
    assert page.url.path == "/hub/login/code", page_messages(page)
    assert not visitor.is_signed_in
    return visitor.post(str(page.url), {"code": code})
