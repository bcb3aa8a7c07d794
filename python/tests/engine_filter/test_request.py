from __future__ import annotations

import pytest

from classroom.engine_filter.request import RefusedError, Target, parse_object, parse_target


def test_a_request_of_the_hub_is_understood() -> None:
    assert parse_target("/v1.44/containers/classroom-7/json") == Target("containers/classroom-7/json", {})
    assert parse_target("/v1.44/containers/x?v=False&force=True").query == {"v": "False", "force": "True"}
    assert parse_target("/v1.44/containers/x/stop?t=5").query == {"t": "5"}
    assert parse_target("/_ping") == Target("/_ping", {})


@pytest.mark.parametrize(
    "target",
    [
        "/containers/json",
        "/v1.43/containers/json",
        "/v1.44",
        "/v1.44/",
        "/v1.440/containers/json",
        "/v1.44//containers/json",
        "//v1.44/containers/json",
        "/V1.44/containers/json",
        "/v1.44/v1.44/containers/json",
        "/v1.44/containers/../images/json",
        "/v1.44/containers/./json",
        "/v1.44/containers/..",
        "/v1.44/containers/a%2Fjson",
        "/v1.44/containers/%2e%2e/images/json",
        "/v1.44/containers%2fjson",
        "/v1.44/containers/a\\b/json",
        "/v1.44/containers/a;b/json",
        "/v1.44/containers/json/",
        "/v1.44/containers/json#x",
        "/v1.44/containers/json\n",
        "/v1.44/containers/j\u017fon",
        "http://engine/v1.44/containers/json",
        "*",
        "engine:443",
        "/_ping?x=1",
        "/_ping/",
        "/v1.44/" + "a" * 9000,
    ],
)
def test_a_path_that_could_be_read_in_two_ways_is_refused(target: str) -> None:
    with pytest.raises(RefusedError):
        parse_target(target)


@pytest.mark.parametrize("query", ["t=1&t=2", "t=1&T=2", "t", "t=1;u=2", "&&", "t=%zz", "t=1#x", "=&=", "t=%ff"])
def test_a_query_that_could_be_read_in_two_ways_is_refused(query: str) -> None:
    with pytest.raises(RefusedError, match="query"):
        parse_target(f"/v1.44/containers/x/stop?{query}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'{"a": 1} {}', "is not JSON"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": "\xff"}', "is not JSON"),
        (b'\xff\xfe{"a": 1}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "is not JSON", id="endless number"),
        (b'{"Image": "a", "Image": "b"}', "the key Image twice"),
        (b'{"Image": "a", "image": "b"}', "the key image twice"),
        (b'{"a": {"Privileged": false, "privileged": true}}', "the key privileged twice"),
        ('{"Kind": 1, "\u212aind": 2}'.encode(), "ind twice"),
    ],
)
def test_a_body_that_could_be_read_in_two_ways_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        parse_object(body, "The body")
