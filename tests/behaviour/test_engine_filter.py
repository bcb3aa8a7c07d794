"""Engine filter: who holds the hub does not hold the machine. Attacks with the hub's own way to the engine."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import docker
import docker.errors
import pytest
from docker.types import HostConfig, Mount

from behaviour import containers
from behaviour.deployment import as_seen_here, read_settings
from behaviour.servers import Server
from classroom.docker.client import API_VERSION
from classroom.docker.container import HOME

Verb = Callable[..., str]

pytestmark = pytest.mark.timeout(300)

FOREIGN = "somebodys-database"
REFUSED = 403


@pytest.fixture(scope="module")
def settings(server: Verb) -> dict[str, Any]:
    found = read_settings(server)
    if not as_seen_here(found["docker"].get("filter", "")).is_socket():
        pytest.skip("the filter's socket is on another machine")
    return found


def _connect(socket: str) -> docker.APIClient:
    return docker.APIClient(base_url=f"unix://{as_seen_here(socket)}", version=API_VERSION, timeout=30)


@pytest.fixture(scope="module")
def hub(settings: dict[str, Any]) -> Iterator[docker.APIClient]:
    """Return the engine as the hub reaches it."""
    client = _connect(settings["docker"]["filter"])
    yield client
    client.close()


@pytest.fixture(scope="module")
def engine(settings: dict[str, Any]) -> Iterator[docker.APIClient]:
    """Return the engine as root reaches it."""
    client = _connect(settings["docker"]["host"])
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(mine: Server, server: Verb) -> str:
    name: str = containers.inspect(server, mine.name)["Config"]["Image"]
    return name


@pytest.fixture(scope="module")
def foreign(engine: docker.APIClient, image: str) -> Iterator[str]:
    """Start a container that is not of the class."""
    made = engine.create_container(image, ["sleep", "600"], name=FOREIGN, labels={"org.classroom.user": "ada"})["Id"]
    engine.start(made)
    yield made
    assert engine.inspect_container(made)["State"]["Running"], "an attack has stopped it"
    engine.remove_container(made, force=True)


def refused(attack: Callable[[], object]) -> str:
    """Return the reason of a refusal."""
    with pytest.raises(docker.errors.APIError) as error:
        attack()
    assert error.value.status_code == REFUSED, error.value
    return str(error.value.explanation)


HOSTS: dict[str, dict[str, Any]] = {
    "privileged": {"privileged": True},
    "the machine's files": {"binds": ["/:/host"]},
    "the machine's files as a mount": {"mounts": [Mount("/host", "/", type="bind")]},
    "the engine's socket": {"binds": ["/run/docker.sock:/run/docker.sock"]},
    "the machine's network": {"network_mode": "host"},
    "the machine's processes": {"pid_mode": "host"},
    "the machine's users": {"userns_mode": "host"},
    "capabilities": {"cap_add": ["SYS_ADMIN"]},
    "devices": {"devices": ["/dev/mem:/dev/mem:rwm"]},
    "no seccomp": {"security_opt": ["seccomp=unconfined"]},
    "another container's volumes": {"volumes_from": [FOREIGN]},
    "another container's network": {"network_mode": f"container:{FOREIGN}"},
    "nothing special": {},
}


@pytest.mark.attack(96)
@pytest.mark.parametrize("what", HOSTS)
def test_no_container_is_created_with(hub: docker.APIClient, image: str, foreign: str, what: str) -> None:
    host = HostConfig(version=API_VERSION, **HOSTS[what])
    labels = {"org.classroom.user": "ada", "org.classroom.network": "classroom"}
    arguments: dict[str, Any] = {"name": "classroom-999", "labels": labels, "host_config": host}
    assert foreign
    refused(lambda: hub.create_container(image, ["id"], user="0", **arguments))


@pytest.mark.parametrize("key", ["Privileged", "PidMode", "Sysctls"])
def test_a_students_container_gets_no_further_key(hub: docker.APIClient, server: Verb, mine: Server, key: str) -> None:
    """The body is what the hub sent for a running server, but for one key."""
    made = containers.inspect(server, mine.name)
    config = made["Config"] | {"HostConfig": made["HostConfig"]}
    values = {"Privileged": True, "PidMode": "host", "Sysctls": {"kernel.core_pattern": "|/bin/sh"}}
    config["HostConfig"][key] = values[key]
    refused(lambda: hub.create_container_from_config(config, "classroom-998"))


ON_A_CONTAINER: dict[str, Callable[[docker.APIClient, str], object]] = {
    "inspect": lambda hub, it: hub.inspect_container(it),
    "start": lambda hub, it: hub.start(it),
    "stop": lambda hub, it: hub.stop(it, timeout=0),
    "remove": lambda hub, it: hub.remove_container(it, force=True),
    "logs": lambda hub, it: hub.logs(it, tail=10),
    "stats": lambda hub, it: hub.stats(it, stream=False),
    "exec": lambda hub, it: hub.exec_create(it, ["id"]),
    "attach": lambda hub, it: hub.attach(it),
    "read": lambda hub, it: hub.get_archive(it, "/etc/passwd"),
    "write": lambda hub, it: hub.put_archive(it, "/", b""),
    "export": lambda hub, it: next(hub.export(it)),
    "commit": lambda hub, it: hub.commit(it, "taken"),
    "kill": lambda hub, it: hub.kill(it),
    "pause": lambda hub, it: hub.pause(it),
    "rename": lambda hub, it: hub.rename(it, "classroom-7"),
    "update": lambda hub, it: hub.update_container(it, mem_limit="1g"),
    "top": lambda hub, it: hub.top(it),
}


@pytest.mark.attack(96)
@pytest.mark.parametrize("what", ON_A_CONTAINER)
def test_somebody_elses_container_is_out_of_reach(hub: docker.APIClient, foreign: str, what: str) -> None:
    for name in (foreign, foreign[:12], FOREIGN):
        refused(functools.partial(ON_A_CONTAINER[what], hub, name))


def test_no_program_starts_in_a_students_container(hub: docker.APIClient, server: Verb, mine: Server) -> None:
    """The hub needs none, and a program of root there could write the student's home as root."""
    container = containers.identifier(server, mine.name)
    refused(lambda: hub.exec_create(container, ["id"], user="0"))
    refused(lambda: hub.attach(container))
    refused(lambda: hub.update_container(container, mem_limit="900g"))
    refused(lambda: hub.get_archive(container, f"{HOME}/."))
    refused(lambda: hub.put_archive(container, HOME, b""))


OF_THE_MACHINE = {"type": "none", "o": "bind", "device": "/"}
ON_THE_ENGINE: dict[str, Callable[[docker.APIClient], object]] = {
    "volume-with-options": lambda hub: hub.create_volume(
        "classroom-home-x", driver_opts={"type": "none", "o": "bind", "device": "/"}
    ),
    "volume": lambda hub: hub.create_volume("classroom-home-x"),
    "remove-volume": lambda hub: hub.remove_volume("classroom-home-x"),
    "volumes": lambda hub: hub.volumes(),
    "prune-volumes": lambda hub: hub.prune_volumes(),
    "prune-containers": lambda hub: hub.prune_containers(),
    "prune-images": lambda hub: hub.prune_images(),
    "prune-builds": lambda hub: hub.prune_builds(),
    "pull": lambda hub: hub.pull("debian", "latest"),
    "import": lambda hub: hub.import_image_from_data(b"", "taken"),
    "load": lambda hub: next(hub.load_image(b"")),
    "remove-image": lambda hub: hub.remove_image("debian"),
    "images": lambda hub: hub.images(),
    "build": lambda hub: next(hub.build(path="https://example.org/x.git")),
    "network": lambda hub: hub.create_network("other"),
    "connect": lambda hub: hub.connect_container_to_network(FOREIGN, "classroom"),
    "remove-network": lambda hub: hub.remove_network("classroom"),
    "swarm": lambda hub: hub.init_swarm(),
    "secret": lambda hub: hub.create_secret("x", b"y"),
    "plugins": lambda hub: hub.plugins(),
    "plugin": lambda hub: hub.enable_plugin("x"),
    "info": lambda hub: hub.info(),
    "df": lambda hub: hub.df(),
    "containers": lambda hub: hub.containers(all=True),
    "containers-by-name": lambda hub: hub.containers(all=True, filters={"name": FOREIGN}),
}


@pytest.mark.attack(96)
@pytest.mark.parametrize("what", ON_THE_ENGINE)
def test_the_engine_itself_is_out_of_reach(hub: docker.APIClient, what: str) -> None:
    refused(functools.partial(ON_THE_ENGINE[what], hub))


def test_the_hub_sees_its_own_class(hub: docker.APIClient, server: Verb, mine: Server, foreign: str) -> None:
    own = containers.identifier(server, mine.name)
    filters = {"label": ["org.classroom.user", "org.classroom.network=classroom"]}
    listed = [container["Id"] for container in hub.containers(all=True, filters=filters)]
    assert own in listed
    assert foreign not in listed
    assert hub.inspect_container(own)["Id"] == own
    assert hub.stats(own, stream=False)["memory_stats"]["usage"] > 0
    assert b"Jupyter" in hub.logs(own, tail=100)
    with pytest.raises(docker.errors.NotFound):
        hub.inspect_container("classroom-4711")


def test_a_stream_of_events_tells_of_an_end(
    hub: docker.APIClient, new_student: Callable[[], Server], server: Verb
) -> None:
    student = new_student()
    student.start()
    ended = containers.identifier(server, student.name)
    filters = {"type": "container", "event": "die", "label": "org.classroom.network=classroom"}
    events = hub.events(since=int(time.time()), filters=filters, decode=True)
    student.stop()
    assert any(event["Actor"]["ID"] == ended for event in events)
    events.close()


def test_a_refusal_is_in_the_log(hub: docker.APIClient, server: Verb) -> None:
    path = f"containers/{quote('no-such-thing')}/export"
    refused(lambda: next(hub.export("no-such-thing")))
    assert f"GET {path} is not a request of the hub." in server("logs", "filter")


def test_what_the_filter_costs(
    hub: docker.APIClient, engine: docker.APIClient, server: Verb, mine: Server, figure: Callable[[str], None]
) -> None:
    """Each call of a start costs a fraction of what the engine needs for it."""
    own = containers.identifier(server, mine.name)
    took = {}
    for name, client in (("direct", engine), ("filtered", hub)):
        times = []
        for _ in range(30):
            begin = time.perf_counter()
            client.inspect_container(own)
            times.append(time.perf_counter() - begin)
        took[name] = statistics.median(times) * 1000
    figure(f"inspection of a container: direct {took['direct']:.1f} ms, through the filter {took['filtered']:.1f} ms")
    assert took["filtered"] - took["direct"] < 50
