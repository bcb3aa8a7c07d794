"""The watcher of the firewall rules, with nft in a network namespace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from classroom.docker.firewall_watch import Change, concerns, parse_changes

if TYPE_CHECKING:
    from pathlib import Path

OURS = "classroom_classroom0"
# Each is done while the watcher runs: `repaired` counts its lines, `rules` are those that nft lists.
PROGRAM = """
import json, pathlib, subprocess, sys, time
log, settings = pathlib.Path(sys.argv[1]), sys.argv[2]
start = "from classroom.cli.main import main; main()"
watcher = subprocess.Popen([sys.executable, "-c", start, "network", "watch", "--settings", settings],
                           stderr=log.open("w"))

def rules():
    listed = [subprocess.run(["nft", "--terse", "list", "table", family, "classroom_classroom0"],
                             capture_output=True, text=True).stdout for family in ("inet", "bridge")]
    return listed if all(listed) else []

def wait(condition, seconds=20):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, log.read_text()
        assert watcher.poll() is None, log.read_text()
        time.sleep(0.005)
    return time.monotonic() - begin

def repaired():
    return log.read_text().splitlines()

wait(rules)
wait(repaired)
whole, gaps = rules(), {}
for harm in sys.argv[3:]:
    count = len(repaired())
    subprocess.run(["sh", "-euc", harm], check=True)
    gaps[harm] = wait(lambda: rules() == whole)
    wait(lambda: len(repaired()) > count)
    time.sleep(0.5)
lines = repaired()
# Nothing of this concerns the class; the last one loads the same rules.
subprocess.run(["nft", "-f", "-"], text=True, check=True, input="add table inet other\\n"
               "add chain inet other forward { type filter hook forward priority 0; }\\ndelete table inet other\\n")
subprocess.run(["nft", "add", "element", "inet", "classroom_classroom0", "open_tcp", "{ 10.213.0.2 ct count over 9 }"],
               check=True)
tables = [f"{family} classroom_classroom0" for family in ("inet", "bridge")]
again = [f"table {table}\\ndelete table {table}" for table in tables] + whole
subprocess.run(["nft", "-f", "-"], text=True, check=True, input="\\n".join(again))
time.sleep(1)
watcher.terminate()
print(json.dumps({"gaps": gaps, "lines": lines, "more": repaired()[len(lines):],
                  "status": watcher.wait(10)}))
"""
HARM = (
    "nft flush ruleset",
    f"nft delete table bridge {OURS}",
    f"nft flush chain inet {OURS} from_student",
    f"nft insert rule inet {OURS} from_student accept",
)
real = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft (apt-get install nftables)"
)


def watched(directory: Path, *harms: str) -> dict[str, Any]:
    """Run the watcher in a network namespace, do harm to the rules, and return what happened."""
    settings = directory / "settings.json"
    settings.write_text("{}")
    command = ["unshare", "--net", sys.executable, "-c", PROGRAM, directory / "log", settings, *harms]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@real
def test_rules_that_another_program_takes_come_back_and_the_log_names_it(tmp_path: Path) -> None:
    answer = watched(tmp_path, *HARM)
    # Repairs that follow each other wait longer and longer. test_firewalls.py measures a single one.
    assert max(answer["gaps"].values()) < 10, answer
    begin, *lines = answer["lines"]
    assert begin == "The rules of the class were missing. They are loaded again."
    assert len(lines) == len(HARM)
    assert all("(by nft)" in line or "(by iptables" in line for line in lines), lines
    assert answer["more"] == [], "rules that are as they were loaded need no repair"
    assert answer["status"] == 0


@real
@pytest.mark.skipif(not shutil.which("iptables"), reason="needs iptables")
def test_the_way_to_the_hub_comes_back_after_a_flush_of_iptables(tmp_path: Path) -> None:
    nft = "iptables --version | grep -q nf_tables || exit 0; "
    answer = watched(tmp_path, f"{nft}iptables -F; until iptables -C INPUT -j CLASSROOM-classroom0; do :; done")
    assert len(answer["lines"]) == 2


@pytest.mark.parametrize(
    ("change", "is_ours"),
    [
        (Change(2, 1, OURS), True),
        (Change(6, 7, OURS), True),
        (Change(12, 1, OURS), False),
        (Change(2, 1, "another"), False),
        (Change(8, 2, "filter"), True),
        (Change(6, 2, "filter"), False),
        (Change(8, 10, "filter"), False),
    ],
    ids=["table", "new rule", "element", "another table", "iptables", "new rule of iptables", "ip6tables"],
)
def test_only_changes_that_may_take_rules_away_are_looked_at(change: Change, *, is_ours: bool) -> None:
    assert concerns(change, OURS) is is_ours


@pytest.mark.parametrize("data", [b"", b"\0" * 15, b"\0" * 64, b"\x14\0\0\0\x02\x0a" + b"\0" * 14])
def test_a_datagram_without_a_name_is_no_change_of_the_class(data: bytes) -> None:
    assert not any(concerns(change, OURS) for change in parse_changes(data))
