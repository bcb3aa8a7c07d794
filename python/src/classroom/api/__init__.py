"""What the `classroom` command and instructors' programs ask of the hub, under `/hub/api/classroom`."""

from __future__ import annotations

from typing import Any

from classroom.api.accounts import AccountAction, Accounts
from classroom.api.adoption import Adoption
from classroom.api.announcement import AnnouncementApi
from classroom.api.codes import Codes, CodesRevoked
from classroom.api.notices import Notices
from classroom.api.reservations import Reservations, ReservationsCancelled
from classroom.api.servers import Servers, ServersStopped

ROUTES: list[tuple[Any, ...]] = [
    (r"/api/classroom/accounts", Accounts),
    (r"/api/classroom/accounts/(approve|revoke|remove|reset-password)", AccountAction),
    (r"/api/classroom/adopt", Adoption),
    (r"/api/classroom/codes", Codes),
    (r"/api/classroom/codes/revoke", CodesRevoked),
    (r"/api/classroom/notices/([^/]+)", Notices),
    (r"/api/classroom/reservations", Reservations),
    (r"/api/classroom/reservations/cancel", ReservationsCancelled),
    (r"/api/classroom/servers", Servers),
    (r"/api/classroom/servers/stop", ServersStopped),
    (r"/api/classroom/announcement", AnnouncementApi),
]
