"""Files of NixOS, built here and used: nginx.conf, settings.json, units, daemon.json."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from classroom.secrets import GIVEN
from classroom.settings.file import load_settings
from classroom.settings.models import Settings
from nix.evaluation import HERE, NixError, build
from nix.options_page import options_page

HOSTS = sorted(file.stem for file in (HERE.parent / "hosts").glob("*.nix"))
ENVIRONMENT = Path(sys.prefix)
ARTEFACTS = f'(import {HERE}/artefacts.nix {{ gixy = "{ENVIRONMENT}/bin/gixy"; environment = "{ENVIRONMENT}"; }})'
DIRECTIVES = ("http.conf", "server.conf", "containers.conf")

# `systemd-analyze security`, 0 to 10. The network unit has CAP_NET_ADMIN, and the unit of homes with quotas has
# CAP_SYS_ADMIN. The backup unit is root, reads every file, uses the network and closes homes to links by mounts. The
# MPS unit is root with devices.
EXPOSURE = {
    "classroom-hub.service": 1.3,
    "classroom-proxy.service": 1.2,
    "classroom-engine.service": 0.7,
    "classroom-network.service": 2.5,
    "classroom-network-again.service": 2.5,
    "classroom-homes.service": 2.5,
    "classroom-backup.service": 2.7,
    "classroom-mps.service": 3.0,
}


# With the programs of the current system, which has the command `classroom`.
_VERIFY = """
mount -t tmpfs tmpfs /run
mkdir /run/current-system
ln -s "$0" /run/current-system/sw
exec systemd-analyze verify "$@"
"""

pytestmark = pytest.mark.usefixtures("debian")


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest, debian: None) -> tuple[str, Path]:  # noqa: ARG001
    return request.param, build(f'{ARTEFACTS}.host "{request.param}"')


def test_the_settings_are_valid_and_match_the_host(host: tuple[str, Path]) -> None:
    name, artefacts = host
    settings = load_settings(artefacts / "settings.json", environment={})
    assert (
        settings.site.external_url
        == {
            "minimal": "https://hub.example.org/",
            "tunnel": "https://hub.example.org/",
            "gpu": "https://gpu.example.org/",
            "everything": "https://class.example.org:8443/",
        }[name]
    )
    assert settings.proxy.command[0].endswith("/bin/configurable-http-proxy")
    assert settings.student.image.startswith("classroom-none:")


def test_the_everything_host_changes_every_setting(host: tuple[str, Path]) -> None:
    name, artefacts = host
    if name != "everything":
        pytest.skip("another host")
    same = {"gpu", "paths", "spawner"}  # the GPU host has GPUs; the module fixes the others
    fixed = {"host", "filter", "command", "helper"}  # the module fixes these too
    fixed |= {"domains"}  # its unit needs dnsmasq, which cannot be built here
    ours = load_settings(artefacts / "settings.json", environment={}).model_dump()
    default = Settings().model_dump()
    for section in ours.keys() - same:
        if not isinstance(ours[section], dict):
            assert ours[section] != default[section], section
            continue
        for key in ours[section].keys() - fixed:
            assert ours[section][key] != default[section].get(key), f"{section}.{key}"


def test_an_unknown_key_fails_the_build_in_one_sentence() -> None:
    with pytest.raises(NixError) as error:
        build(f"{ARTEFACTS}.settings {{ services.classroom.settings.student.memroy = 4; }}")
    assert "student.memroy: no such setting; did you mean memory?" in str(error.value)
    assert "Traceback" not in str(error.value)


def test_a_wrong_combination_fails_the_build() -> None:
    with pytest.raises(NixError) as error:
        build(f'{ARTEFACTS}.settings {{ services.classroom.settings.gpu.devices = [ "0" ]; }}')
    assert 'policy "none" takes no devices' in str(error.value)


def test_units_are_understood_and_harmless(
    host: tuple[str, Path], record_property: Callable[[str, object], None]
) -> None:
    name, artefacts = host
    units = sorted((artefacts / "units").glob("classroom-*.service"))
    assert len(units) == {"everything": 10, "gpu": 9}.get(name, 8)
    verify(units, record_property)


def test_the_mps_service_can_change_to_a_students_user_and_do_little_else(
    record_property: Callable[[str, object], None],
) -> None:
    artefacts = build(
        f'{ARTEFACTS}.hostWith "gpu" {{ services.classroom.gpu.mps = {{ enable = true; memory = "8G"; }}; }}'
    )
    unit = artefacts / "units/classroom-mps.service"
    verify([unit], record_property)
    held = [
        line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith("CapabilityBoundingSet=")
    ]
    assert held == ["CAP_KILL", "CAP_SETGID", "CAP_SETUID"]
    found = load_settings(artefacts / "settings.json", environment={}).gpu.mps
    assert (found.memory, f"RuntimeDirectory={found.folder.name}\n" in unit.read_text()) == (8 * 1024**3, True)


def verify(units: list[Path], record_property: Callable[[str, object], None]) -> None:
    """Check that systemd accepts the units and rates their exposure as low."""
    command = ["unshare", "--map-root-user", "--mount", "sh", "-euc", _VERIFY, sys.prefix, *units]
    verified = subprocess.run(command, check=False, text=True, capture_output=True)
    # NixOS units that these units name do not exist on this machine.
    errors = [line for line in verified.stderr.splitlines() if "classroom" in line and "not found" not in line]
    assert errors == []
    for unit in units:
        bound = EXPOSURE.get(unit.name, 2.0)
        answer = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", f"--threshold={int(bound * 10)}", unit],
            check=False, text=True, capture_output=True,
        )  # fmt: skip
        record_property(unit.name, answer.stdout.strip().splitlines()[-1])
        assert answer.returncode == 0, answer.stdout


def test_only_root_and_the_filter_reach_the_engine(host: tuple[str, Path]) -> None:
    """The units that load images run one program of ours; all others with the engine's socket are root's."""
    _, artefacts = host
    units = {file.name: file.read_text() for file in (artefacts / "units").glob("classroom-*.service")}
    in_group = {name for name, text in units.items() if "SupplementaryGroups=docker" in text}
    loads = {"classroom-images.service", "classroom-images-again.service"}
    assert in_group == {"classroom-engine.service", *loads}
    assert len({re.search("^ExecStart=(.*)$", units[name], re.MULTILINE)[1] for name in loads}) == 1
    for name in ("classroom-hub.service", "classroom-proxy.service"):
        hidden = set(re.findall(r"^InaccessiblePaths=-(.*)$", units[name], re.MULTILINE))
        assert {"/run/docker.sock", "/run/containerd"} <= hidden
        assert "User=classroom\n" in units[name]
        assert re.search(r"^MemoryMax=\d", units[name], re.MULTILINE)
    socket = (artefacts / "units/classroom-engine.socket").read_text()
    filter_ = load_settings(artefacts / "settings.json", environment={}).docker.filter
    assert f"ListenStream={filter_}\nSocketGroup=classroom\nSocketMode=0600\nSocketUser=classroom\n" in socket


def test_a_restart_of_the_engine_or_a_switch_ends_no_server(host: tuple[str, Path]) -> None:
    _, artefacts = host
    daemon = json.loads((artefacts / "daemon.json").read_text())
    assert daemon["live-restore"] is True
    assert daemon["features"]["cdi"] is True
    assert "X-RestartIfChanged=false" in (artefacts / "units/docker.service").read_text()
    hub = (artefacts / "units/classroom-hub.service").read_text()
    assert not re.search(r"^(Requires|BindsTo|PartOf)=.*docker", hub, re.MULTILINE)


@pytest.mark.attack(77)
def test_units_contain_paths_of_secrets_and_never_their_content(host: tuple[str, Path]) -> None:
    name, artefacts = host
    for unit in ("classroom-hub", "classroom-proxy"):
        text = (artefacts / f"units/{unit}.service").read_text()
        loads = re.findall(r"^LoadCredential=(.*)$", text, re.MULTILINE)
        wanted = (
            ["cookie-secret", "crypt-key", "proxy-token", "cli-token", "metrics-token"] if name == "everything" else []
        )
        assert sorted(load.split(":")[0] for load in loads) == sorted(wanted)


def test_the_timer_runs_the_operators_command(host: tuple[str, Path]) -> None:
    name, artefacts = host
    if name != "everything":
        assert not (artefacts / "units/classroom-backup.service").exists()
        return
    text = (artefacts / "units/classroom-backup.service").read_text()
    assert re.search(r"^ExecStart=\S+/bin/classroom backup create --prune ", text, re.MULTILINE)
    assert "LoadCredential=backup-password:/run/secrets/restic\n" in text
    assert set(re.findall(r"^LoadCredential=([a-z-]+):", text, re.MULTILINE)) == {*GIVEN, "backup-password"}
    assert re.search(r'^Environment="PATH=\S*restic', text, re.MULTILINE)
    assert "OnCalendar=Sun 04:00\n" in (artefacts / "units/classroom-backup.timer").read_text()


def test_nginx_accepts_the_file_and_answers(host: tuple[str, Path], tmp_path: Path) -> None:
    """Run Nginx in separate namespaces, with addresses, logs and certificates in the places of NixOS."""
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("needs root for namespaces")
    _, artefacts = host
    conf = (artefacts / "nginx.conf").read_text()
    for file in DIRECTIVES:
        shipped = re.search(rf"include (/nix/store/\S+/{re.escape(file)});", conf)
        assert shipped, file
        assert Path(shipped[1]).read_bytes() == (HERE.parents[1] / "modules/nginx" / file).read_bytes()
    tls = dict(re.findall(r"(ssl_certificate(?:_key)?) (\S+);", conf))
    script = tmp_path / "run"
    script.write_text(_SCRIPT)
    listen = re.findall(r"listen ([0-9.]+):(\d+)([^;]*);", conf)
    address, port, _ = next(entry for entry in listen if "ssl" in entry[2] or not tls)
    name = next(word for word in re.findall(r"server_name (\S+?)[ ;]", conf) if word != "_")
    gateway, api_port, _ = next(entry for entry in listen if entry[0] not in {"0.0.0.0", "127.0.0.1"})  # noqa: S104
    url = f"{'https' if tls else 'http'}://{'127.0.0.1' if address == '0.0.0.0' else address}:{port}"  # noqa: S104
    done = subprocess.run(
        [
            "unshare", "--net", "--mount", "bash", script, artefacts / "nginx.conf", url,
            f"http://{gateway}:{api_port}", name, tls.get("ssl_certificate", ""), tls.get("ssl_certificate_key", ""),
            *(tls.get("ssl_trusted_certificate", "").split()),
        ],
        check=False, text=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # The hub is away: browsers get our page, containers reach /hub/api/ alone.
    page, answers = done.stdout.rsplit("END\n", 1)
    assert page == (HERE.parents[1] / "modules/nginx/pages/503.html").read_text()
    assert answers.split() == ["503", "502", "404"]


def test_the_page_of_options_is_current() -> None:
    assert (HERE.parents[1] / "docs/reference/options.md").read_text() == options_page(), "run: make docs"


_SCRIPT = r"""
set -euo pipefail
conf=$1 url=$2 gateway=$3 name=$4 certificate=$5 key=$6
for folder in /run /var/log /var/lib; do mount -t tmpfs tmpfs $folder; done
mount -t tmpfs tmpfs /var/cache
mkdir -p /run/nginx /var/log/nginx /var/lib/nginx /var/cache/nginx /run/classroom
if [ -n "$certificate" ]; then
  mkdir -p "$(dirname "$certificate")" "$(dirname "$key")"
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test -keyout "$key" -out "$certificate" 2>/dev/null
  cp "$certificate" "$(dirname "$certificate")/chain.pem"
fi
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind
nginx -t -e stderr -c "$conf"
host=${gateway#http://}
ip address add "${host%:*}/32" dev lo  # only now: Nginx itself has to do without the bridge
nginx -e stderr -c "$conf" -g "user root;" & nginx=$!
trap 'kill $nginx' EXIT
for _ in $(seq 100); do curl -ks -o /dev/null "$url" && break; sleep 0.1; done
ask() { curl -ks -o /dev/null -w '%{http_code}\n' -H 'Accept: text/html' "$@"; }
curl -ks -H "Host: $name" -H 'Sec-Fetch-Mode: navigate' "$url/hub/login"
echo END
ask -H "Host: $name" -H 'Sec-Fetch-Mode: navigate' "$url/hub/login"
ask "$gateway/hub/api/"
ask "$gateway/hub/login"
"""
