"""The demo's part in the engine, run with the environment's Python: `up`, `reach` and `down SETTINGS`.

Only the bridge is made: the machine's firewall stays as it is. The homes, which are volumes, stay too; `remove` takes
them away, with the images.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors
import requests.exceptions

from classroom.docker.client import API_VERSION
from classroom.docker.container import LABEL
from classroom.docker.network import bridge_down, bridge_up
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings

if TYPE_CHECKING:
    from classroom.settings.models import Settings

_PROBE = """
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=10).read()
"""


def main(action: str, settings_file: str) -> int:
    """Do one thing; an error is a sentence on standard output and status 1."""
    settings = load_settings(Path(settings_file))
    client = docker.APIClient(base_url=settings.docker.host, version=API_VERSION, timeout=60)
    try:
        _ACTIONS[action](client, settings)
    except ClassroomError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        sys.stdout.write(f"the Docker engine could not do it: {getattr(error, 'explanation', None) or error}\n")
        return 1
    finally:
        client.close()
    return 0


def _up(client: docker.APIClient, settings: Settings) -> None:
    """Make the bridge; containers of a demo that was killed go first."""
    _remove_containers(client, settings)
    bridge_up(settings.network, settings.docker.host)


def _reach(client: docker.APIClient, settings: Settings) -> None:
    """Check that a container reaches the hub."""
    url = f"http://{settings.network.gateway}:{settings.network.api_port}/hub/api/"
    container = client.create_container(
        image=settings.student.image,
        command=["python", "-c", _PROBE, url],
        labels={LABEL + "network": settings.network.name},
        host_config=client.create_host_config(network_mode=settings.network.name),
    )
    try:
        client.start(container)
        status = client.wait(container)["StatusCode"]
        words = client.logs(container).decode(errors="replace").strip().splitlines()
    finally:
        client.remove_container(container, force=True)
    if status:
        raise ClassroomError(
            f"containers do not reach the hub at {url} ({words[-1] if words else status}): this machine's firewall "
            f"refuses them; let in what comes from {settings.network.bridge} (with ufw: ufw allow in on "
            f"{settings.network.bridge}), or ENGINE=process shows the site without containers"
        )


def _down(client: docker.APIClient, settings: Settings) -> None:
    """Stop the students' servers and remove the bridge."""
    _remove_containers(client, settings)
    bridge_down(settings.network, settings.docker.host)


def _remove(client: docker.APIClient, settings: Settings) -> None:
    """Remove all that this demo has in the engine, homes included."""
    _down(client, settings)
    for volume in client.volumes()["Volumes"] or []:
        if volume["Name"].startswith(f"{settings.docker.prefix}-home-"):
            client.remove_volume(volume["Name"])
    stages = ("classroom-student-environment:", "classroom-student-system:")  # names that images/debian gives
    for image in client.images():
        for tag in image["RepoTags"] or ():
            if tag == settings.student.image or tag.startswith(stages):
                client.remove_image(tag)


def _remove_containers(client: docker.APIClient, settings: Settings) -> None:
    for container in client.containers(all=True, filters={"label": f"{LABEL}network={settings.network.name}"}):
        try:
            client.remove_container(container["Id"], force=True)
        except docker.errors.APIError as error:
            if error.status_code not in {404, 409}:  # gone, or going
                raise


_ACTIONS = {"up": _up, "reach": _reach, "down": _down, "remove": _remove}

if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
