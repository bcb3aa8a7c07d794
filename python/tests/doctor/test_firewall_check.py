"""The check of the firewall rules, with nft in a network namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

CHECK = """
import subprocess
from classroom.docker.firewall import firewall_rules, machine_resolvers, table_name
from classroom.doctor import network
from classroom.settings.models import Settings
settings = Settings()
network.shutil.which = lambda program: program == "nft"
subprocess.run(["nft", "-f", "-"], input=firewall_rules(settings.network, machine_resolvers()), text=True, check=True)
add = ["nft", "add", "element", "inet", table_name(settings.network), "open_api", "{ 10.213.0.2 ct count over 64 }"]
subprocess.run(add, check=True)
print([finding.message for finding in network.check_firewall(settings)])
subprocess.run(["nft", "flush", "chain", "inet", table_name(settings.network), "limits"], check=True)
print([finding.message for finding in network.check_firewall(settings)])
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft (apt-get install nftables)"
)
def test_a_server_with_connections_changes_no_rule_and_a_missing_limit_is_found() -> None:
    command = ["unshare", "--net", sys.executable, "-c", CHECK]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "in force" in done.stdout.splitlines()[0], done.stdout
    assert "The rules differ" in done.stdout.splitlines()[1], done.stdout
