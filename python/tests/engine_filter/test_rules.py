"""Table of requests: those of the hub pass, written again; all others are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from engine_filter import samples

from classroom.docker.container import HOME
from classroom.engine_filter.request import RefusedError
from classroom.engine_filter.rules import CONTAINER, TABLE, VOLUME, Call, check_container, decide

DIRECTORY = {"storage": {"kind": "directory", "path": "/srv/homes"}}


def ask(method: str, path: str, body: bytes = b"", **settings: Any) -> Call:
    target = path if path.startswith("/") else f"/v1.44/{path}"
    return decide(method, target, body, samples.settings(**settings), samples.inventory)


def filters(**values: object) -> str:
    return quote(json.dumps(values))


def test_requests_of_the_hub_pass() -> None:
    label = filters(label=["org.classroom.user", "org.classroom.network=classroom"])
    listed = ask("GET", f"containers/json?limit=-1&all=1&size=0&trunc_cmd=0&filters={label}")
    assert (listed.path, listed.query["all"]) == ("containers/json", "1")
    assert ask("GET", "containers/classroom-7/json").container == "classroom-7"
    assert ask("POST", "containers/abc/start").path == "containers/{id}/start"
    assert ask("POST", "containers/classroom-7/stop?t=5").query == {"t": "5"}
    assert ask("DELETE", "containers/abc?v=False&link=False&force=True").query == {"force": "1"}
    assert ask("GET", "containers/abc/logs?stderr=1&stdout=1&timestamps=0&follow=0&tail=100").query["tail"] == "100"
    assert ask("GET", "containers/abc/stats?stream=False").query == {"stream": "0"}
    events = filters(type=["container"], event=["die"], label=["org.classroom.network=classroom"])
    assert ask("GET", f"events?filters={events}").path == "events"
    assert ask("GET", "/_ping").path == "/_ping"
    body = json.dumps(samples.body(samples.settings())).encode()
    assert ask("POST", "containers/create?name=classroom-7", body).query == {"name": "classroom-7"}


def test_the_files_of_a_new_home_pass() -> None:
    read = ask("GET", f"containers/abc/archive?path={quote(HOME + '/.')}", **DIRECTORY)
    write = ask("PUT", f"containers/abc/archive?path={quote(HOME)}", **DIRECTORY)
    assert (read.kinds, write.is_new, write.archive) == (("org.classroom.template",), True, True)


def test_the_page_names_each_request_that_passes() -> None:
    page = (Path(__file__).parents[3] / "docs/explanation/engine.md").read_text()
    named = {tuple(row.split(" ", 1)) for row in re.findall(r"^\| `([A-Z]+ [^`]+)` \|", page, re.MULTILINE)}
    table = {
        (method, pattern.replace(CONTAINER, "containers/NAME").replace(VOLUME, "volumes/NAME"))
        for method, pattern, _ in TABLE
    }
    assert named == table | {("GET", "/_ping"), ("POST", "containers/create")}


def test_the_hub_may_ask_whether_a_home_of_the_class_is_still_a_volume() -> None:
    home = "volumes/classroom-home-ada"
    assert ask("GET", home, **DIRECTORY).path == home
    for path, settings, message in (
        (home, {}, "homes are volumes"),
        ("volumes/other-home-ada", DIRECTORY, "not the name of a home of this class"),
        (f"{home}?x=1", DIRECTORY, "has the key x"),
    ):
        with pytest.raises(RefusedError, match=message):
            ask("GET", path, **settings)


OTHERS = [
    ("GET", "info"),
    ("GET", "version"),
    ("GET", "system/df"),
    ("POST", "auth"),
    ("POST", "build"),
    ("POST", "build/prune"),
    ("POST", "session"),
    ("POST", "grpc"),
    ("POST", "commit?container=abc&repo=x"),
    ("GET", "images/json"),
    ("POST", "images/create?fromImage=debian"),
    ("POST", "images/load"),
    ("GET", "images/debian/get"),
    ("DELETE", "images/debian"),
    ("POST", "images/prune"),
    ("POST", "containers/prune"),
    ("POST", "containers/abc/exec"),
    ("POST", "exec/abc/start"),
    ("GET", "exec/abc/json"),
    ("POST", "containers/abc/attach"),
    ("GET", "containers/abc/attach/ws"),
    ("GET", "containers/abc/export"),
    ("GET", "containers/abc/changes"),
    ("GET", "containers/abc/top"),
    ("POST", "containers/abc/update"),
    ("POST", "containers/abc/rename?name=hub"),
    ("POST", "containers/abc/restart"),
    ("POST", "containers/abc/kill"),
    ("POST", "containers/abc/pause"),
    ("POST", "containers/abc/wait"),
    ("HEAD", "containers/abc/archive?path=/"),
    ("GET", "volumes"),
    ("POST", "volumes/create"),
    ("GET", "volumes/x"),
    ("DELETE", "volumes/x"),
    ("POST", "volumes/prune"),
    ("GET", "networks"),
    ("POST", "networks/create"),
    ("POST", "networks/classroom/connect"),
    ("DELETE", "networks/classroom"),
    ("POST", "networks/prune"),
    ("GET", "plugins"),
    ("POST", "plugins/pull?remote=x"),
    ("POST", "plugins/x/enable"),
    ("POST", "swarm/init"),
    ("POST", "swarm/join"),
    ("GET", "nodes"),
    ("POST", "services/create"),
    ("POST", "secrets/create"),
    ("POST", "configs/create"),
    ("GET", "tasks"),
    ("GET", "distribution/debian/json"),
    ("GET", "containers"),
    ("PUT", "containers/create"),
    ("POST", "containers/json"),
    ("CONNECT", "containers/json"),
]


@pytest.mark.parametrize(("method", "path"), OTHERS, ids=[f"{method}-{path}" for method, path in OTHERS])
@pytest.mark.parametrize("settings", [{}, DIRECTORY], ids=["volumes", "directory"])
def test_every_other_request_is_refused(method: str, path: str, settings: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="is not a request of the hub"):
        ask(method, path, **settings)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "containers/json"),
        ("GET", "containers/json?filters=%7B%7D"),
        ("GET", f"containers/json?filters={filters(label=['other'])}"),
        ("GET", f"containers/json?filters={filters(label={'org.classroom.user': True})}"),
        ("GET", f"containers/json?filters={filters(name=['x'], label=['org.classroom.user'])}"),
        ("GET", f"containers/json?size=1&filters={filters(label=['org.classroom.user'])}"),
        ("GET", f"containers/json?before=x&filters={filters(label=['org.classroom.user'])}"),
        ("GET", "events"),
        ("GET", f"events?filters={filters(label=['org.classroom.user'])}"),
        ("GET", f"events?filters={filters(type=['image'], label=['org.classroom.user'])}"),
        ("GET", f"events?filters={filters(type=['container', 'image'], label=['org.classroom.user'])}"),
        ("GET", f"events?since=x&filters={filters(type=['container'], label=['org.classroom.user'])}"),
        ("GET", "containers/abc/json?size=1"),
        ("POST", "containers/abc/start?detachKeys=x"),
        ("POST", "containers/abc/start?checkpoint=x"),
        ("POST", "containers/abc/stop?t=-1"),
        ("POST", "containers/abc/stop?t=86401"),
        ("POST", "containers/abc/stop?signal=SIGKILL"),
        ("DELETE", "containers/abc?v=1"),
        ("DELETE", "containers/abc?link=true"),
        ("GET", "containers/abc/logs?follow=1&stdout=1&stderr=1&tail=1"),
        ("GET", "containers/abc/logs?stdout=1&stderr=1"),
        ("GET", "containers/abc/logs?stdout=1&stderr=1&tail=all"),
        ("GET", "containers/abc/stats?stream=1"),
        ("GET", f"containers/abc/archive?path={quote(HOME + '/.')}"),
    ],
)
def test_a_parameter_that_the_hub_does_not_write_is_refused(method: str, path: str) -> None:
    with pytest.raises(RefusedError):
        ask(method, path)


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", "path=/"),
        ("GET", "path=/etc/shadow"),
        ("GET", f"path={quote(HOME)}"),
        ("GET", ""),
        ("PUT", "path=/"),
        ("PUT", f"path={quote(HOME + '/..')}"),
        ("PUT", f"path={quote(HOME)}&copyUIDGID=1"),
        ("PUT", ""),
    ],
)
def test_archives_of_other_places_are_refused(method: str, query: str) -> None:
    with pytest.raises(RefusedError):
        ask(method, f"containers/abc/archive{'?' + query if query else ''}", **DIRECTORY)


def test_a_body_where_none_belongs_is_refused() -> None:
    with pytest.raises(RefusedError, match="takes no body"):
        ask("POST", "containers/abc/start", b'{"HostConfig": {"Privileged": true}}')


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        {"org.classroom.user": "ada"},
        {"org.classroom.user": "ada", "org.classroom.network": "other"},
        {"org.classroom.network": "classroom"},
        {"org.classroom.network": "classroom", "org.classroom.template": "home"},
        {"org.classroom.network": "classroom", "org.classroom.adopting": "ada"},
    ],
)
def test_a_container_of_somebody_else_is_refused(labels: dict[str, str] | None) -> None:
    call = ask("POST", "containers/abc/start")
    with pytest.raises(RefusedError, match="abc is not of this class"):
        check_container(call, {"Config": {"Labels": labels}}, samples.settings())


def test_files_go_only_into_a_container_that_has_not_started() -> None:
    call = ask("PUT", f"containers/abc/archive?path={quote(HOME)}", **DIRECTORY)
    labels = {"org.classroom.network": "classroom", "org.classroom.user": "ada"}
    details = {"Config": {"Labels": labels}, "State": {"Status": "created"}}
    check_container(call, details, samples.settings(**DIRECTORY))
    with pytest.raises(RefusedError, match="has started already"):
        check_container(call, details | {"State": {"Status": "running"}}, samples.settings(**DIRECTORY))
