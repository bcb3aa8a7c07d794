"""The demo's part in a Docker engine: the students' image, a bridge and containers.

The machine's firewall stays as it is. Homes, which are volumes, and the image stay until `remove`.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from typing import TYPE_CHECKING

import docker
import docker.errors

from classroom.docker.client import connect
from classroom.docker.container import LABEL
from classroom.docker.network import bridge_down, bridge_up
from demo.class_settings import IMAGE
from demo.commands import CommandError, run
from demo.options import ROOT, DemoError

if TYPE_CHECKING:
    from classroom.settings.models import Settings
    from demo.options import Options, Paths
    from demo.screen import Screen

_BASE_IMAGE = "python:3.13-slim"
"""Where debootstrap cannot run; the Python of the Nix images."""
_STAGES = ("classroom-student-base:", "classroom-student-environment:")  # names that images/student gives
_TIMEOUT = 60  # seconds for a call of the engine
_PROBE = """
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=10).read()
"""


def make_bridge(settings: Settings) -> None:
    """Make the bridge, and first remove the containers of a demo that was killed.

    Raises:
        DemoError: the bridge is not on this machine.
        ClassroomError: the engine refuses.
    """
    _remove_containers(settings)
    bridge_up(settings.network, settings.docker.host)
    with socket.socket() as probe:
        try:
            probe.bind((str(settings.network.gateway), 0))
        except OSError as error:
            raise DemoError(
                f"The Docker engine at {settings.docker.host} puts its bridges elsewhere than on this machine (it is "
                "rootless, in a virtual machine or far away): ENGINE=process shows the site without containers"
            ) from error


def make_image(options: Options, paths: Paths, host: str, screen: Screen) -> None:
    """Make the students' image if its contents have changed; raise DemoError with the last lines of a failure."""
    log = paths.logs / "image.log"
    variables = {"XDG_CACHE_HOME": str(paths.directory / "cache"), "PYTHONPATH": str(ROOT)}
    words = ("Making the students' image", "The students' image is ready")
    try:
        with screen.step(*words, long="a few minutes, the first time") as update:

            def show(line: str) -> None:
                if step := re.match(r"step (\d+)/(\d+) (.*)", line):  # such as `step 1/6 making Debian`
                    update((int(step[1]) - 1) / int(step[2]), step[3])

            run(_image_command(options, host), log, environment=variables, on_line=show)
    except CommandError as error:
        lines = [line for line in error.output.splitlines() if not line.startswith("step ")]
        raise DemoError(
            "\n    ".join(["The students' image could not be made:", *lines[-8:]])
            + f"\n  All of it: {log}. BASE_IMAGE=NAME builds on another image of Debian or Ubuntu; "
            "ENGINE=process needs no image."
        ) from error


def _image_command(options: Options, host: str) -> list[str]:
    base = options.base_image
    can_bootstrap = os.geteuid() == 0 and shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if not base and not can_bootstrap:
        base = _BASE_IMAGE
    command = [sys.executable, "-m", "images.student", "image", f"--tag={IMAGE}", f"--host={host}"]
    return [*command, *([f"--base-image={base}"] if base else [])]


def check_hub_is_reached(settings: Settings) -> None:
    """Raise DemoError if containers do not reach the hub."""
    network = settings.network
    url = f"http://{settings.hub.listen}/hub/api/"
    with connect(settings.docker.host, _TIMEOUT) as client:
        container = client.create_container(
            image=settings.student.image,
            command=["python", "-c", _PROBE, url],
            labels={LABEL + "network": network.name},
            host_config=client.create_host_config(network_mode=network.name),
        )
        try:
            client.start(container)
            status = client.wait(container)["StatusCode"]
            lines = client.logs(container).decode(errors="replace").strip().splitlines()
        finally:
            client.remove_container(container, force=True)
    if status:
        raise DemoError(
            f"Containers do not reach the hub at {url} ({lines[-1] if lines else status}): this machine's firewall "
            f"refuses them; let in what comes from {network.bridge} (with ufw: ufw allow in on {network.bridge}), or "
            "ENGINE=process shows the site without containers"
        )


def stop(settings: Settings) -> None:
    """Stop the students' servers and remove the bridge."""
    _remove_containers(settings)
    bridge_down(settings.network, settings.docker.host)


def remove(settings: Settings) -> None:
    """Remove all that this demo has in the engine, homes included."""
    stop(settings)
    with connect(settings.docker.host, _TIMEOUT) as client:
        for volume in client.volumes()["Volumes"] or []:
            if volume["Name"].startswith(f"{settings.docker.prefix}-home-"):
                client.remove_volume(volume["Name"])
        for tag in [tag for image in client.images() for tag in image["RepoTags"] or ()]:
            if tag == settings.student.image or tag.startswith(_STAGES):
                client.remove_image(tag)


def _remove_containers(settings: Settings) -> None:
    with connect(settings.docker.host, _TIMEOUT) as client:
        for container in client.containers(all=True, filters={"label": f"{LABEL}network={settings.network.name}"}):
            try:
                client.remove_container(container["Id"], force=True)
            except docker.errors.APIError as error:
                if error.status_code not in {404, 409}:  # gone, or going
                    raise
