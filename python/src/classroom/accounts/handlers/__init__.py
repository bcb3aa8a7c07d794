"""The pages of accounts and their URLs, under `/hub`."""

from __future__ import annotations

from typing import Any

from classroom.accounts.handlers.approve import ApprovePage
from classroom.accounts.handlers.base import NotAllowed, StaticFiles
from classroom.accounts.handlers.login import LoginPage, WaitingPage
from classroom.accounts.handlers.password import ChangePasswordPage, ResetPasswordPage
from classroom.accounts.handlers.signup import SignUpPage
from classroom.gpus.handlers import GpuPage, LinePage
from classroom.pages import STATIC

ROUTES: list[tuple[Any, ...]] = [
    (r"/login", LoginPage),
    (r"/signup", SignUpPage),
    (r"/waiting", WaitingPage),
    (r"/authorize", ApprovePage),
    (r"/gpus", GpuPage),
    (r"/gpu-line/([^/]+)", LinePage),
    (r"/change-password", ChangePasswordPage),
    (r"/change-password/([^/]+)", ResetPasswordPage),
    # Upstream approves and discards by GET under these: a link or an image in a notebook could.
    (r"/authorize/([^/]*)", NotAllowed),
    (r"/discard/([^/]*)", NotAllowed),
    (r"/classroom-static/(.*)", StaticFiles, {"path": str(STATIC)}),
]
