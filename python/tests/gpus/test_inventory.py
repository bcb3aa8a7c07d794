from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from classroom.errors import ClassroomError
from classroom.gpus.cdi import parse_specification
from classroom.gpus.inventory import CdiCache, Inventory
from support.gpus import fake, inventory, nvidia, spec, with_mig

AMD = spec(
    [
        {"name": str(n), "containerEdits": {"deviceNodes": [{"path": "/dev/kfd"}, {"path": f"/dev/dri/card{n}"}]}}
        for n in range(2)
    ],
    "amd.com/gpu",
)


def labels(found: Inventory) -> list[str]:
    return [device.label for device in found.devices]


@pytest.mark.parametrize(
    ("specs", "counted"),
    [
        ([], []),
        ([nvidia(2)], ["0", "1"]),
        ([nvidia(12)], [str(n) for n in range(12)]),
        ([nvidia(2, uuids=True)], ["0", "1"]),
        ([nvidia(1)], ["0"]),
        ([fake(4)], ["0", "1", "2", "3"]),
        ([nvidia(2), AMD], ["amd.com/gpu=0", "amd.com/gpu=1", "0", "1"]),
        ([with_mig(2, 3)], ["0:0", "0:1", "0:2", "1"]),
        ([spec([{"name": "all", "containerEdits": {"deviceNodes": [{"path": "/dev/dxg"}]}}])], ["all"]),
        ([spec([{"name": "0"}, {"name": "1"}])], ["0", "1"]),
        ([spec([{"name": "all"}], "nvidia.com/gds")], []),
        ([nvidia(1), spec([{"name": "all"}], "management.nvidia.com/gpu")], ["0"]),
    ],
    ids=[
        "no driver",
        "two cards",
        "twelve cards in order",
        "index and UUID are one",
        "one card is not its all",
        "variables only",
        "two vendors",
        "a divided card counts by its parts",
        "Windows' subsystem",
        "without edits",
        "no GPU",
        "the toolkit's own names",
    ],
)
def test_each_gpu_is_counted_once(specs: list[dict[str, Any]], counted: list[str]) -> None:
    assert labels(inventory(*specs)) == counted


def test_a_device_is_found_by_each_of_its_names() -> None:
    found = inventory(nvidia(2, uuids=True))
    assert found.by_name["nvidia.com/gpu=GPU-00000001"] is found.by_name["nvidia.com/gpu=1"]


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        ("{", "json", "not valid JSON"),
        ("a: [", "yaml", "not valid YAML (line "),
        ("[" * 100000, "json", "not valid JSON"),
        ("[]", "json", "it is [] and not an object"),
        ("{}", "json", "kind is missing"),
        ('{"kind": "gpu", "devices": []}', "json", 'kind is "gpu" and not like nvidia.com/gpu'),
        ('{"kind": "nvidia.com/gpu"}', "json", "devices is missing"),
        ('{"kind": "nvidia.com/gpu", "devices": [1]}', "json", "devices.0 is 1 and not an object"),
        ('{"kind": "nvidia.com/gpu", "devices": [{"name": "a b"}]}', "json", 'name is "a b"'),
        ('{"kind": "nvidia.com/gpu", "devices": [{"name": "a,b"}]}', "json", 'name is "a,b"'),
        ('{"kind": "nvidia.com/gpu", "devices": [{"name": true}]}', "json", "name is true"),
        ('{"kind": "nvidia.com/gpu", "devices": [{"name": "0", "containerEdits": []}]}', "json", "containerEdits"),
        (
            '{"kind": "n.c/gpu", "devices": [{"name": "0", "containerEdits": {"deviceNodes": {"a": 1}}}]}',
            "json",
            "list",
        ),
        ('{"kind": "n.c/gpu", "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{}]}}]}', "json", "no path"),
        ('{"kind": "n.c/gpu", "devices": [{"name": "0"}, {"name": 0}]}', "json", "names device 0 twice"),
        ("!!python/object/apply:os.system ['true']", "yaml", "not valid YAML"),
    ],
)
def test_a_malformed_file_is_reported_with_its_error(text: str, suffix: str, message: str) -> None:
    with pytest.raises(ClassroomError) as error:
        parse_specification(text, is_yaml=suffix == "yaml")
    assert message in str(error.value)


def test_identities_are_those_on_the_labels_of_running_containers() -> None:
    edits = [
        {"deviceNodes": None, "env": ["A=0"]},
        {"env": ["A=1"], "hooks": [{"hookName": "createContainer", "path": "/x"}]},
    ]
    devices = [{"name": str(number), "containerEdits": edit} for number, edit in enumerate(edits)]
    parsed = parse_specification(json.dumps(spec(devices)), is_yaml=False)
    assert [device.identity for device in parsed] == ["edits 2df50a7482072f48", "edits eb54edce96a039a4"]


@pytest.mark.parametrize("devices", [[{"name": str(n)} for n in range(10_000)], [1] * 1_000_000], ids=["valid", "not"])
def test_a_large_file_takes_seconds_at_most(devices: list[Any]) -> None:
    text = json.dumps(spec(devices))
    begin = time.thread_time()
    with suppress(ClassroomError):
        assert len(parse_specification(text, is_yaml=False)) == len(devices)
    assert time.thread_time() - begin < 5


def test_a_malformed_file_does_not_affect_others(tmp_path: Path) -> None:
    (tmp_path / "amd.json").write_text(json.dumps(AMD))
    (tmp_path / "nvidia.yaml").write_text("kind: nvidia.com/gpu\ndevices: [")
    found = CdiCache([tmp_path]).read()
    assert labels(found) == ["amd.com/gpu=0", "amd.com/gpu=1"]
    (problem,) = found.problems
    assert problem.startswith(f"{tmp_path}/nvidia.yaml: not valid YAML")
    assert "nvidia-ctk cdi generate" in problem


def test_a_binary_file_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.json").mkdir()
    assert len(CdiCache([tmp_path]).read().problems) == 2


def test_yaml_and_json_give_the_same_devices(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text(yaml.safe_dump(nvidia(3, uuids=True)))
    assert CdiCache([tmp_path]).read().devices == inventory(nvidia(3, uuids=True)).devices


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    stock = CdiCache([tmp_path, tmp_path / "missing"])
    assert labels(stock.read()) == []
    file = tmp_path / "nvidia.json"
    file.write_text(json.dumps(nvidia(2)))
    assert labels(stock.read()) == ["0", "1"]
    assert stock.read() is stock.read()
    before = file.stat()
    file.write_text(json.dumps(nvidia(3)))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert labels(stock.read()) == ["0", "1", "2"], "a clock that jumps back hides nothing"
    file.unlink()
    assert labels(stock.read()) == []


def test_a_later_directory_wins_and_a_duplicate_name_in_one_is_dropped(tmp_path: Path) -> None:
    first, second = tmp_path / "etc", tmp_path / "run"
    for folder in (first, second):
        folder.mkdir()
    (first / "a.json").write_text(json.dumps(nvidia(1)))
    (second / "a.json").write_text(json.dumps(nvidia(2)))
    assert CdiCache([first, second]).read().problems == ()
    assert labels(CdiCache([first, second]).read()) == ["0", "1"]
    (second / "b.json").write_text(json.dumps(spec([{"name": "1"}])))
    found = CdiCache([first, second]).read()
    assert labels(found) == ["0"]
    assert "Remove one of the two files" in found.problems[0]


def test_an_unreadable_directory_is_a_problem(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    tmp_path.chmod(0)
    assert "let the hub's user read it" in CdiCache([tmp_path]).read().problems[0]
    tmp_path.chmod(0o700)
