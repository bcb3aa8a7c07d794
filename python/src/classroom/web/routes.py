"""Routes of the pages and of the HTTP API, below `/hub`."""

from __future__ import annotations

from typing import Any

from classroom.web import STATIC
from classroom.web.api.accounts import AccountAction, Accounts
from classroom.web.api.adoption import Adoption
from classroom.web.api.announcement import AnnouncementApi
from classroom.web.api.gate import Gate
from classroom.web.api.notices import EndedNotice, Notices
from classroom.web.api.reservations import Reservations, ReservationsCancelled
from classroom.web.api.servers import ServerEnding, Servers, ServersStopped
from classroom.web.api.signup_codes import Codes, CodesRevoked
from classroom.web.api.upstream import ActivityReport, ServerLogin, ServerStop, ServerToken, Token, TokenList
from classroom.web.api.users import UserAccount, UserList
from classroom.web.pages.approve import ApprovePage
from classroom.web.pages.base import MethodNotAllowed, StaticFiles
from classroom.web.pages.csp_report import CspReport
from classroom.web.pages.gate import GateOpenPage, GatePage
from classroom.web.pages.gpus import GpuPage, QueuePage
from classroom.web.pages.login import LoginPage, WaitingPage
from classroom.web.pages.logout import LogoutPage
from classroom.web.pages.password import ChangePasswordPage, ResetPasswordPage
from classroom.web.pages.preparing import PreparingPage
from classroom.web.pages.second_step import CodePage
from classroom.web.pages.server_log import ServerLogPage
from classroom.web.pages.signup import SignUpPage
from classroom.web.pages.two_factor import TwoFactorPage

PAGES: list[tuple[Any, ...]] = [
    (r"/login", LoginPage),
    (r"/login/code", CodePage),
    (r"/logout", LogoutPage),
    (r"/signup", SignUpPage),
    (r"/waiting", WaitingPage),
    (r"/authorize", ApprovePage),
    (r"/gpus", GpuPage),
    (r"/gpu-line/([^/]+)", QueuePage),
    (r"/preparing/([^/]+)", PreparingPage),
    (r"/server-log/([^/]+)", ServerLogPage),
    (r"/gate/([^/]*)/user/([^/]+)(|/.*)", GatePage),
    (r"/gate-open/([^/]*)/user/([^/]+)(|/.*)", GateOpenPage),
    (r"/change-password", ChangePasswordPage),
    (r"/change-password/([^/]+)", ResetPasswordPage),
    (r"/two-factor", TwoFactorPage),
    (r"/security/csp-report", CspReport),
    # Upstream approves and discards by GET under these: a link or an image in a notebook could.
    (r"/authorize/([^/]*)", MethodNotAllowed),
    (r"/discard/([^/]*)", MethodNotAllowed),
    (r"/classroom-static/(.*)", StaticFiles, {"path": str(STATIC)}),
]

API: list[tuple[Any, ...]] = [
    (r"/api/oauth2/authorize", ServerLogin),
    (r"/api/oauth2/token", ServerToken),
    (r"/api/users", UserList),
    (r"/api/users/([^/]+)", UserAccount),
    (r"/api/users/([^/]+)/activity", ActivityReport),
    (r"/api/users/([^/]+)/server", ServerStop),
    (r"/api/users/([^/]+)/tokens", TokenList),
    (r"/api/users/([^/]+)/tokens/([^/]*)", Token),
    (r"/api/classroom/accounts", Accounts),
    (r"/api/classroom/accounts/(approve|reject|revoke|remove|reset-password|reset-two-factor)", AccountAction),
    (r"/api/classroom/adopt", Adoption),
    (r"/api/classroom/codes", Codes),
    (r"/api/classroom/codes/revoke", CodesRevoked),
    (r"/api/classroom/gate", Gate),
    (r"/api/classroom/notices/([^/]+)", Notices),
    (r"/api/classroom/reservations", Reservations),
    (r"/api/classroom/reservations/cancel", ReservationsCancelled),
    (r"/api/classroom/servers", Servers),
    (r"/api/classroom/servers/stop", ServersStopped),
    (r"/api/classroom/servers/([^/]+)/ending", ServerEnding),
    (r"/api/classroom/announcement", AnnouncementApi),
]
"""For the `classroom` command and programs of instructors."""

ROUTES = [*PAGES, *API]

SERVER_ROUTES: list[tuple[Any, ...]] = [(r"user/([^/]+)/api/classroom/notice", EndedNotice)]
"""Below the address of the whole site: the proxy passes requests for servers that do not run to the hub."""
