"""Page of the attacks, the promises and the tests that show them (`make docs`)."""  # noqa: INP001 - a directory of pages, no package

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from support.attacks import Origin, Outcome, attacks, marked_tests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.attacks import Attack

PAGE = Path(__file__).parent / "security.md"
_MARK = "<!-- `make docs` generates the rest from tests/redteam/attacks.toml and the marks of the tests. -->\n"
_TITLES = {
    Origin.OUTSIDE: "From outside, with or without an account",
    Origin.PAGE: "From a page in a browser",
    Origin.CONTAINER: "From a student's container",
    Origin.HOME: "From files in a home",
}


def security_page() -> str:
    """Return the page: its introduction, which is written by hand, and the tables."""
    introduction = PAGE.read_text(encoding="utf-8").partition(_MARK)[0]
    return introduction + _MARK + "\n" + "\n".join(_lines()).rstrip() + "\n"


def summary() -> str:
    """Return the result of all attacks in one sentence."""
    listed = attacks()
    count = {outcome: sum(attack.outcome is outcome for attack in listed) for outcome in Outcome}
    works = f"{count[Outcome.BY_DESIGN]} more work by design."
    return f"Attacks tried: {len(listed)}, in: {count[Outcome.OPEN]}; {works}"


def _lines() -> Iterator[str]:
    listed, tests = attacks(), marked_tests()
    yield from (summary(), "")
    for origin, title in _TITLES.items():
        yield from (f"## {title}", "", "| | attack | promise | to | tests |", "|---|---|---|---|---|")
        for attack in listed:
            if attack.origin is origin:
                names = "<br>".join(f"`{test}` ({file})" for file, test in tests.get(attack.number, []))
                yield f"| {attack.number} | {attack.tried} | {_promise(attack)} | {attack.to} | {names} |"
        yield ""


def _promise(attack: Attack) -> str:
    if attack.outcome is Outcome.KEPT_OUT:
        return attack.promise
    label = {Outcome.OPEN: "**Not yet:**", Outcome.BY_DESIGN: "By design:"}[attack.outcome]
    return f"{label} {attack.promise} {attack.reason}"
