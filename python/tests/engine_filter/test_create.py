"""Rules of `containers/create`: a body that differs in one key from the spawner's is refused, and the key is named."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from engine_filter import samples
from hypothesis import given
from hypothesis import strategies as st

from classroom.docker.container import MPS, TEMPLATE, template_arguments
from classroom.docker.features import Feature
from classroom.engine_filter.create import check_create, engine_body
from classroom.engine_filter.request import RefusedError
from classroom.gpus.mps import client_environment

NAME = {"name": "classroom-7"}
GPUS = {"gpu": {"policy": "exclusive"}}
DIRECTORY = {"storage": {"kind": "directory", "path": "/srv/homes"}}


def passes(body: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return check_create(NAME, body, samples.settings(**settings), samples.inventory())


@pytest.mark.parametrize("groups", [(), ("ml",)])
@pytest.mark.parametrize("network", [{}, {"internet": False}, {"resolvers": ["10.0.5.53"]}])
def test_the_spawners_own_container_passes(groups: tuple[str, ...], network: dict[str, Any]) -> None:
    body = samples.body(samples.settings(network=network), groups)
    assert passes(copy.deepcopy(body), network=network) == body


@pytest.mark.parametrize(
    "address", ["10.213.0.0", "10.213.0.1", "10.213.15.255", "192.168.0.9", "fd00::9", "", None, 9]
)
def test_an_address_that_is_no_containers_is_refused(address: object) -> None:
    body = samples.body(samples.settings())
    body["NetworkingConfig"]["EndpointsConfig"]["classroom"]["IPAMConfig"]["IPv4Address"] = address
    with pytest.raises(RefusedError, match="NetworkingConfig"):
        passes(body)


def test_a_container_of_an_engine_without_the_right_to_raise_limits_passes() -> None:
    body = samples.body(samples.settings(), missing=frozenset({Feature.RAISED_LIMITS}))
    assert len(body["HostConfig"]["Ulimits"]) == 1
    assert passes(body) == body


def test_a_container_may_have_ipv6_only_where_the_engine_has_said_that_the_kernel_has_none() -> None:
    settings, known = samples.settings(), frozenset({Feature.IPV6})
    body = samples.body(settings, missing=known)
    assert "Sysctls" not in body["HostConfig"]
    with pytest.raises(RefusedError, match=r"HostConfig\.Sysctls"):
        passes(body)
    assert check_create(NAME, copy.deepcopy(body), settings, samples.inventory(), known) == body
    for other in ({"net.ipv6.conf.all.disable_ipv6": "0"}, {"kernel.core_pattern": "|/bin/sh"}, {}, None, []):
        body["HostConfig"]["Sysctls"] = other
        with pytest.raises(RefusedError, match=r"HostConfig\.Sysctls"):
            check_create(NAME, body, settings, samples.inventory(), known)
    usual = samples.body(settings)
    assert check_create(NAME, copy.deepcopy(usual), settings, samples.inventory(), known) == usual


def test_a_home_directory_passes() -> None:
    body = samples.body(samples.settings(**DIRECTORY), home="/srv/homes/classroom-home-ada")
    assert passes(body, **DIRECTORY) == body


def test_gpus_of_the_settings_pass() -> None:
    body = samples.body(samples.settings(**GPUS), devices=("nvidia.com/gpu=1",))
    assert passes(body, **GPUS)["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] == ["nvidia.com/gpu=1"]


def test_a_client_of_the_multi_process_service_passes() -> None:
    own = {"gpu": {"policy": "shared", "mps": {"enable": True, "memory": "8G"}}}
    settings = samples.settings(**own)
    mps, devices = settings.gpu.mps, ("nvidia.com/gpu=0",)
    environment = {"JUPYTERHUB_USER": "ada"} | client_environment(mps, MPS, 1)
    labels = samples.lease_labels(devices, devices, "shared", 2) | {"org.classroom.groups": ""}
    body = samples.body(settings, devices=devices, environment=environment, mps=mps, labels=labels)
    assert passes(body, **own) == body
    body["HostConfig"]["Mounts"][1]["Source"] = "/"
    with pytest.raises(RefusedError, match=r"HostConfig.Mounts\[1\].Source"):
        passes(body, **own)


HOST: list[tuple[str, object]] = [
    ("Privileged", True),
    ("Privileged", False),
    ("privileged", True),
    ("Binds", ["/:/host"]),
    ("VolumesFrom", ["other"]),
    ("VolumeDriver", "local"),
    ("NetworkMode", "host"),
    ("NetworkMode", "bridge"),
    ("NetworkMode", "container:other"),
    ("PidMode", "host"),
    ("IpcMode", "host"),
    ("UTSMode", "host"),
    ("UsernsMode", "host"),
    ("CgroupnsMode", "host"),
    ("CgroupParent", "/"),
    ("Cgroup", "container:x"),
    ("CapAdd", ["SYS_ADMIN"]),
    ("CapDrop", []),
    ("CapDrop", ["all"]),
    ("SecurityOpt", []),
    ("SecurityOpt", ["no-new-privileges", "seccomp=unconfined"]),
    ("SecurityOpt", ["no-new-privileges", "apparmor=unconfined"]),
    ("Devices", [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]),
    ("DeviceCgroupRules", ["a *:* rwm"]),
    ("DeviceRequests", [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}]),
    ("Sysctls", {"kernel.core_pattern": "|/bin/sh"}),
    ("Ulimits", [{"Name": "core", "Soft": -1, "Hard": -1}]),
    ("ReadonlyRootfs", False),
    ("ReadonlyPaths", []),
    ("MaskedPaths", []),
    ("Runtime", "other"),
    ("Memory", 0),
    ("Memory", 2**50),
    ("MemorySwap", -1),
    ("PidsLimit", -1),
    ("CpuQuota", -1),
    ("OomKillDisable", True),
    ("OomScoreAdj", -1000),
    ("ShmSize", 2**40),
    ("Tmpfs", {"/tmp": "exec,suid,dev"}),
    ("PortBindings", {"22/tcp": [{"HostPort": "22"}]}),
    ("PublishAllPorts", True),
    ("RestartPolicy", {"Name": "always"}),
    ("ExtraHosts", ["hub:10.0.0.1"]),
    ("Dns", ["8.8.8.8"]),
    ("GroupAdd", ["0"]),
    ("LogConfig", {"Type": "syslog", "Config": {"syslog-address": "tcp://evil:1"}}),
    ("ContainerIDFile", "/etc/passwd"),
    ("Links", ["other"]),
    ("StorageOpt", {"size": "1T"}),
    ("BlkioDeviceWriteBps", [{"Path": "/dev/sda", "Rate": 1}]),
    ("Isolation", "process"),
    ("Annotations", {"a": "b"}),
    ("Init", None),
    ("AutoRemove", 1),
]


@pytest.mark.parametrize(("key", "value"), HOST, ids=[f"{key}-{value}"[:40] for key, value in HOST])
def test_a_key_of_the_host_configuration_that_the_spawner_does_not_write_is_refused(key: str, value: object) -> None:
    body = samples.body(samples.settings())
    body["HostConfig"][key] = value
    with pytest.raises(RefusedError, match=rf"HostConfig\.{key}"):
        passes(body)


TOP: list[tuple[str, object]] = [
    ("Image", "debian"),
    ("Image", "classroom-vision:2"),
    ("User", "0"),
    ("User", "1000:0"),
    ("Cmd", ["sh"]),
    ("Entrypoint", ["sh"]),
    ("WorkingDir", "/"),
    ("Volumes", {"/var/run": {}}),
    ("ExposedPorts", {"22/tcp": {}}),
    ("NetworkingConfig", {"EndpointsConfig": {"host": {}}}),
    ("NetworkDisabled", True),
    ("Hostname", "hub"),
    ("MacAddress", "02:42:0a:d5:00:01"),
    ("Healthcheck", {"Test": ["CMD-SHELL", "id"]}),
    ("StopSignal", "SIGKILL"),
    ("StopTimeout", -1),
    ("Tty", True),
    ("Shell", ["sh"]),
    ("OnBuild", ["RUN id"]),
    ("hostconfig", {"Privileged": True}),
]


@pytest.mark.parametrize(("key", "value"), TOP, ids=[f"{key}-{value}"[:40] for key, value in TOP])
def test_a_key_of_the_container_that_the_spawner_does_not_write_is_refused(key: str, value: object) -> None:
    body = samples.body(samples.settings())
    body[key] = value
    with pytest.raises(RefusedError, match=key):
        passes(body)


VARIABLES = [
    "LD_PRELOAD=/home/jovyan/x.so",
    "PATH=/home/jovyan",
    "HOME=/",
    "CLASSROOM_SHARED=/",
    "HF_HOME=/x",
    "A=1",
    "A",
]


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_that_is_not_the_hubs_is_refused(variable: str) -> None:
    body = samples.body(samples.settings())
    name = variable.split("=", maxsplit=1)[0] + "="
    body["Env"] = [*(item for item in body["Env"] if not item.startswith(name)), variable]
    with pytest.raises(RefusedError, match="Env"):
        passes(body)


MOUNTS: list[dict[str, object]] = [
    {"Source": "/"},
    {"Source": "classroom-home-../../etc"},
    {"Source": "other-home-ada"},
    {"Source": "portainer_data"},
    {"Target": "/"},
    {"Type": "bind"},
    {"ReadOnly": False, "BindOptions": {"Propagation": "rshared"}},
    {"VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}}}},
    {"VolumeOptions": {"Subpath": "../.."}},
]


@pytest.mark.parametrize("change", MOUNTS, ids=str)
def test_a_mount_other_than_the_home_is_refused(change: dict[str, object]) -> None:
    body = samples.body(samples.settings())
    body["HostConfig"]["Mounts"][0] |= change
    with pytest.raises(RefusedError, match=r"HostConfig\.Mounts\[0\]"):
        passes(body)


@pytest.mark.parametrize(
    "source",
    [
        "/srv/homes",
        "/srv/homes/",
        "/srv/homes/.",
        "/srv/homes/..",
        "/srv/homes/../classroom-home-ada",
        "/srv/homes/classroom-home-ada/..",
        "/srv/homes/classroom-home-ada/x",
        "/srv/homes//classroom-home-ada",
        "/srv/homes2/classroom-home-ada",
        "/",
        "/srv/homes/other-home-ada",
    ],
)
def test_a_directory_other_than_a_home_is_refused(source: str) -> None:
    body = samples.body(samples.settings(**DIRECTORY), home="/srv/homes/classroom-home-ada")
    body["HostConfig"]["Mounts"][0]["Source"] = source
    with pytest.raises(RefusedError, match="is not a home of this class"):
        passes(body, **DIRECTORY)


@pytest.mark.parametrize(
    "extra", [{"Type": "bind", "Source": "/", "Target": "/host"}, {"Type": "tmpfs", "Target": "/x"}]
)
def test_a_further_mount_is_refused(extra: dict[str, object]) -> None:
    body = samples.body(samples.settings())
    body["HostConfig"]["Mounts"].append(extra)
    with pytest.raises(RefusedError, match=r"HostConfig\.Mounts"):
        passes(body)


def test_the_shared_directory_of_another_group_is_refused() -> None:
    settings = samples.settings()
    body = samples.body(settings)
    body["HostConfig"]["Mounts"] = samples.body(settings, ("ml",))["HostConfig"]["Mounts"]
    with pytest.raises(RefusedError, match=r"HostConfig\.Mounts"):
        passes(body)


@pytest.mark.parametrize(
    ("label", "value", "message"),
    [
        ("user", "", "no account's name"),
        ("user", "a\nb", "no account's name"),
        ("user", "bob", "VolumeOptions.Labels.org.classroom.user|is not what"),
        ("network", "other", "Labels.org.classroom.network"),
        ("groups", "none", "no group of the settings"),
        ("groups", "ml", "is missing|is not what"),
        ("lease", "nvidia.com/gpu=0", "gives? to no student"),
        ("lease-policy", "exclusive", "Labels.org.classroom.lease-policy"),
        ("lease-most", "1", "Labels.org.classroom.lease-most"),
        ("keep", "hub", "Labels.org.classroom.keep"),
        ("template", "home", "homes are volumes"),
    ],
)
def test_a_label_that_the_settings_do_not_give_is_refused(label: str, value: str, message: str) -> None:
    body = samples.body(samples.settings())
    body["Labels"][f"org.classroom.{label}"] = value
    with pytest.raises(RefusedError, match=message):
        passes(body)


@pytest.mark.parametrize("device", ["vendor.com/net=0", "nvidia.com/gpu=9", "nvidia.com/gpu=all", "/dev/sda", "0"])
def test_a_device_that_is_no_gpu_of_the_class_is_refused(device: str) -> None:
    body = samples.body(samples.settings(**GPUS), devices=(device,))
    with pytest.raises(RefusedError, match=r"Labels\.org\.classroom\.lease"):
        passes(body, **GPUS)


def test_more_gpus_than_a_student_may_have_are_refused() -> None:
    body = samples.body(samples.settings(**GPUS), devices=("nvidia.com/gpu=0", "nvidia.com/gpu=1"))
    with pytest.raises(RefusedError, match="more devices"):
        passes(body, **GPUS)


@pytest.mark.parametrize("policy", ["all", "devices", "shared"])
def test_devices_follow_the_policy(policy: str) -> None:
    listed = [] if policy == "all" else ["1"]
    own = {"gpu": {"policy": policy, "devices": listed}}
    limit = 2 if policy == "shared" else 0
    for device, may in (("nvidia.com/gpu=1", True), ("nvidia.com/gpu=0", policy == "all")):
        labels = samples.lease_labels([device], [device], policy, limit) | {"org.classroom.groups": ""}
        body = samples.body(samples.settings(**own), devices=(device,), labels=labels)
        if may:
            assert passes(body, **own) == body
        else:
            with pytest.raises(RefusedError, match="to no student"):
                passes(body, **own)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"name": "hub"},
        {"name": "classroom-ada"},
        {"name": "other-7"},
        {"name": "classroom-7\n"},
        {"name": "classroom-7", "platform": "linux/386"},
        {"name": "/classroom-7"},
    ],
)
def test_a_name_of_another_container_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match="name"):
        check_create(query, samples.body(samples.settings()), samples.settings(), samples.inventory())


def test_the_image_of_a_home_is_copied_from_a_container_that_can_do_nothing() -> None:
    settings = samples.settings(**DIRECTORY)
    body = engine_body(template_arguments("classroom-vision:2", settings.network))
    assert check_create({}, body, settings, samples.inventory()) == body
    for change in ({"Image": "debian"}, {"HostConfig": {"NetworkMode": "host"}}, {"Cmd": ["sh"]}, {"Labels": {}}):
        with pytest.raises(RefusedError):
            check_create({}, body | change, settings, samples.inventory())
    assert TEMPLATE in body["Labels"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BASE = samples.body(samples.settings(), ("ml",))


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all values below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, below in items for path in paths(below, (*at, key)))]


@pytest.mark.attack(96)
@given(where=st.sampled_from(paths(BASE)[1:]), value=JSON, key=st.none() | st.text(max_size=12))
def test_whatever_passes_is_what_the_spawner_would_make(where: tuple[Any, ...], value: Any, key: str | None) -> None:
    changed = copy.deepcopy(BASE)
    node = changed
    for step in where[:-1]:
        node = node[step]
    if key is None or not isinstance(node, dict):
        node[where[-1]] = value
    else:
        node[key] = value
    try:
        sent = passes(changed)
    except RefusedError:
        return
    host, own = sent["HostConfig"], BASE["HostConfig"]
    assert json.dumps({**host, "Mounts": 0}) == json.dumps({**own, "Mounts": 0})
    assert [mount["Source"] for mount in host["Mounts"]][1:] == ["/srv/data/faces"]
    assert host["Mounts"][0]["Source"].startswith("classroom-home-")
    assert sent.keys() == BASE.keys()
    assert {key: sent[key] for key in ("User", "Image", "WorkingDir")} == {
        key: BASE[key] for key in ("User", "Image", "WorkingDir")
    }
