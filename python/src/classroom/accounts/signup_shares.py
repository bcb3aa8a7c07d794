"""Fair shares of the room for sign-ups that wait, by the address that they came from.

While there is room, everybody may sign up: a lecture behind one address is no flood. When there is none, a sign-up from
an address with fewer of them takes the place of the newest one from the address with most. So a flood from a few
addresses does not keep a class out. IPv6 networks share twice, the /48 of a site and in it the /64 of a household: one
person can have 65,536 of the latter (RFC 6177).
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_network
from typing import TYPE_CHECKING

from nativeauthenticator.orm import UserInfo
from sqlalchemy import delete, func, select

from classroom.accounts.errors import AccountError
from classroom.audit import events
from classroom.audit.events import THE_HUB, Action
from classroom.db.models import Account

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_WAITING = (UserInfo.is_authorized.is_not(True), Account.revoked_at.is_(None))


def counts_by_origin(db: Session) -> Counter[str]:
    """Return how many sign-ups wait, by address or IPv6 network (`network_of`); empty where it is not known."""
    query = (
        select(Account.origin, func.count()).join(UserInfo, Account.name == UserInfo.username).where(*_WAITING)
    ).group_by(Account.origin)
    return Counter({origin: count for origin, count in db.execute(query).all()})  # noqa: C416 - rows are no pairs


def require_room(db: Session, origin: str, limit: int) -> None:
    """Check that a sign-up may wait, also in the place of another one, which `make_room` deletes afterwards.

    Args:
        db: the hub's session.
        origin: where it comes from.
        limit: how many may wait in all.

    Raises:
        AccountError: there is no room, and this origin has its share already.
    """
    counts = counts_by_origin(db)
    if counts.total() < limit:
        return
    sites, networks = _sites(counts), _networks_of(counts, _site(origin))
    # With one more it still has less than the largest.
    has_share_of_all = sites[_site(origin)] + 1 >= max(sites.values())
    has_share_of_site = networks[origin] + 1 >= max(networks.values(), default=0)
    if has_share_of_all and has_share_of_site:
        raise AccountError("Too many sign-ups are waiting. Ask your instructor to approve or reject them.", 503)


def make_room(db: Session, limit: int) -> None:
    """Delete the newest sign-up from where most came from, if more wait than may."""
    counts = counts_by_origin(db)
    if counts.total() <= limit:
        return
    ((site, _),) = _sites(counts).most_common(1)
    ((crowded, _),) = _networks_of(counts, site).most_common(1)
    newest = select(Account.name).join(UserInfo, Account.name == UserInfo.username)
    name = db.scalars(newest.where(*_WAITING, Account.origin == crowded).order_by(Account.id.desc()).limit(1)).one()
    _delete(db, [name])
    db.commit()
    events.record(Action.REJECTED, name, by=THE_HUB, detail=f"too many sign-ups wait, most from {crowded}")


def reject_from(db: Session, origin: str) -> tuple[str, ...]:
    """Delete all sign-ups that wait from an address or IPv6 network; return their names."""
    query = select(Account.name).join(UserInfo, Account.name == UserInfo.username)
    names = tuple(db.scalars(query.where(*_WAITING, Account.origin == origin).order_by(Account.id)))
    _delete(db, names)
    db.commit()
    return names


def _delete(db: Session, names: tuple[str, ...] | list[str]) -> None:
    # In portions: SQLite bounds the variables of a statement.
    for first in range(0, len(names), 500):
        portion = names[first : first + 500]
        db.execute(delete(UserInfo).where(UserInfo.username.in_(portion)))
        db.execute(delete(Account).where(Account.name.in_(portion)))


def _sites(counts: Counter[str]) -> Counter[str]:
    sites: Counter[str] = Counter()
    for origin, count in counts.items():
        sites[_site(origin)] += count
    return sites


def _networks_of(counts: Counter[str], site: str) -> Counter[str]:
    return Counter({origin: count for origin, count in counts.items() if _site(origin) == site})


def _site(origin: str) -> str:
    try:
        network = ip_network(origin)
    except ValueError:
        return origin
    return str(network.supernet(new_prefix=48)) if network.version == 6 else origin
