"""Rules of `containers/create`: the body must be the one that `classroom.docker.container` makes from the settings.

What the hub decides is read from the body: student, groups, home, tokens and GPUs. Each is checked. The expected body
is then computed from them, as the spawner computes it, and any difference is refused. So a limit or a security option
that the spawner sets is also one that the filter demands.
"""

from __future__ import annotations

import json
import re
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Any

from docker.types import ContainerConfig

from classroom.accounts.names import MAX_USERNAME
from classroom.docker.client import API_VERSION
from classroom.docker.container import (
    ENVIRONMENT,
    GROUPS,
    LABEL,
    MPS,
    TEMPLATE,
    Order,
    create_arguments,
    split_label,
    template_arguments,
)
from classroom.docker.features import Feature
from classroom.engine_filter.request import RefusedError, shown
from classroom.errors import ClassroomError
from classroom.gpus.allocation import device_pool, student_limit
from classroom.gpus.inventory import qualified_name
from classroom.gpus.leases import IDENTITY, LEASE, lease_labels
from classroom.gpus.mps import client_environment
from classroom.settings.groups import student_images, student_rules
from classroom.storage.home_directories import check_home_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from classroom.gpus.inventory import Inventory
    from classroom.settings.groups import StudentRules
    from classroom.settings.models import Gpu, Network, Settings

# JupyterHub's variables, and those that the hub's configuration and spawner set.
_HUB_VARIABLE = re.compile(r"(JUPYTERHUB_[A-Z_]+|JPY_API_TOKEN|JUPYTER_IMAGE_SPEC|CLASSROOM_[A-Z_]+)")
_MPS_VARIABLE = "CUDA_MPS_PIPE_DIRECTORY"


def check_create(
    query: Mapping[str, str],
    body: Mapping[str, Any],
    settings: Settings,
    inventory: Inventory,
    missing: frozenset[Feature] = frozenset(),
) -> dict[str, Any]:
    """Return the body for the engine, computed from the settings.

    Args:
        query: the request's; its only key is the container's name.
        body: the request's.
        settings: the class's.
        inventory: the GPUs of this machine.
        missing: what the engine's answers have shown to be missing.

    Raises:
        RefusedError: the hub of this class makes no such container; the message names the key.
    """
    labels = _strings(body.get("Labels"), "Labels")
    expected = (
        _template(query, body, settings)
        if TEMPLATE in labels
        else _student(query, body, labels, settings, inventory, missing)
    )
    received = {**body, "Env": _environment(body.get("Env"))} if "Env" in body else dict(body)
    compared = {**expected, "Env": _environment(expected.get("Env"))} if "Env" in expected else expected
    if difference := first_difference(compared, received):
        raise RefusedError(difference)
    return expected


def _student(  # noqa: PLR0913, PLR0917 - what is decided, and by what
    query: Mapping[str, str],
    body: Mapping[str, Any],
    labels: Mapping[str, str],
    settings: Settings,
    inventory: Inventory,
    missing: frozenset[Feature],
) -> dict[str, Any]:
    name = query.get("name", "")
    if set(query) != {"name"} or not re.fullmatch(rf"{re.escape(settings.docker.prefix)}-[0-9]{{1,10}}", name):
        raise RefusedError("The query has another key than name, or a name that no student's container has.")
    user = labels.get(f"{LABEL}user", "")
    if not 1 <= len(user) <= MAX_USERNAME or not user.isprintable():
        raise RefusedError(f"Labels.{LABEL}user is no account's name.")
    rules = _rules(labels, settings)
    devices = _devices(labels, rules.gpu, inventory)
    given = _environment(body.get("Env"))
    environment = {
        key: value for key, value in given.items() if _HUB_VARIABLE.fullmatch(key) and key not in ENVIRONMENT
    }
    mps = rules.gpu.mps if devices and rules.gpu.uses_mps and _MPS_VARIABLE in given else None
    if mps:
        count = 0 if any(device.endswith("=all") for device in devices) else len(devices)
        environment |= client_environment(mps, MPS, count)
    order = Order(
        name=name,
        user=user,
        home=_home(body, settings),
        environment=environment,
        devices=devices,
        shared=rules.shared,
        mps=mps,
        labels=lease_labels(devices, _identities(labels), rules.gpu.policy, student_limit(rules.gpu))
        | {GROUPS: ",".join(rules.groups)},
        missing=_missing(body, missing),
        address=_address(body, settings.network),
    )
    return engine_body(create_arguments(order, rules.student, settings.network))


def _template(query: Mapping[str, str], body: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the body of the container whose image's home is copied into a new directory; it never starts."""
    if settings.storage.kind != "directory":
        raise RefusedError(f"Labels.{TEMPLATE}: the class's homes are volumes, which the engine fills.")
    if query:
        raise RefusedError("The container of an image's home takes no name.")
    image = body.get("Image")
    if image not in student_images(settings):
        raise RefusedError(f"Image {shown(image)} is not one of the class.")
    return engine_body(template_arguments(str(image), settings.network))


def engine_body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that Docker's client sends for these arguments of `create_container`."""
    named = {"command": None} | {key: value for key, value in arguments.items() if key != "name"}
    config = ContainerConfig(API_VERSION, **named)
    body: dict[str, Any] = json.loads(json.dumps({key: value for key, value in config.items() if value is not None}))
    return body


def first_difference(expected: object, received: object, key: str = "") -> str | None:
    """Return a sentence about the first key in which two bodies differ; None if they are equal."""
    if isinstance(expected, dict) and isinstance(received, dict):
        if unknown := received.keys() - expected.keys():
            return f"{shown(_join(key, min(unknown)))} is no key of a container of this class."
        if missing := expected.keys() - received.keys():
            return f"{_join(key, min(missing))} is missing."
        pairs = [(expected[name], received[name], _join(key, name)) for name in sorted(expected)]
    elif isinstance(expected, list) and isinstance(received, list) and len(expected) == len(received):
        pairs = [(a, b, f"{key}[{at}]") for at, (a, b) in enumerate(zip(expected, received, strict=True))]
    # True equals 1 in Python, but not in JSON.
    elif type(expected) is type(received) and expected == received:
        return None
    else:
        return f"{shown(key)} is not what the class's settings say."
    return next((problem for pair in pairs if (problem := first_difference(*pair))), None)


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _rules(labels: Mapping[str, str], settings: Settings) -> StudentRules:
    groups = split_label(labels, GROUPS)
    if unknown := [name for name in groups if name not in settings.groups]:
        raise RefusedError(f"Labels.{GROUPS} names {shown(unknown[0])}, which is no group of the settings.")
    return student_rules(settings, groups)


def _home(body: Mapping[str, Any], settings: Settings) -> str:
    host = body.get("HostConfig")
    mounts = host.get("Mounts") if isinstance(host, dict) else None
    source = mounts[0].get("Source") if isinstance(mounts, list) and mounts and isinstance(mounts[0], dict) else None
    if not isinstance(source, str):
        raise RefusedError("HostConfig.Mounts has no home.")
    directory = settings.storage.path
    name = source if directory is None else source.removeprefix(f"{directory}/")
    try:
        check_home_name(name, settings.docker.prefix)
    except ClassroomError as error:
        raise RefusedError(f"HostConfig.Mounts[0].Source {shown(source)} is not a home of this class.") from error
    return name if directory is None else f"{directory / name}"


def _devices(labels: Mapping[str, str], gpu: Gpu, inventory: Inventory) -> tuple[str, ...]:
    devices = split_label(labels, LEASE)
    for device in devices:
        if not _may_attach(device, gpu, inventory):
            raise RefusedError(f"Labels.{LEASE} names {shown(device)}, which the class's settings give to no student.")
    if len(set(devices)) < len(devices) or (gpu.policy == "exclusive" and len(devices) > gpu.per_student):
        raise RefusedError(f"Labels.{LEASE} names more devices than the class's settings give to a student.")
    return devices


def _may_attach(name: str, gpu: Gpu, inventory: Inventory) -> bool:
    if gpu.policy == "none":
        return False
    listed = {qualified_name(device) for device in gpu.devices}
    if gpu.policy in {"all", "devices"}:
        every = name.endswith("=all") and bool(inventory.of_kind(name.removesuffix("=all")))
        if name in listed or (every and not listed):
            return True
    kinds = [device.removesuffix("=all") for device in listed if device.endswith("=all")]
    pool = {*device_pool(gpu, inventory), *(device for kind in kinds for device in inventory.of_kind(kind))}
    return inventory.by_name.get(name) in pool


def _missing(body: Mapping[str, Any], known: frozenset[Feature]) -> frozenset[Feature]:
    """Return the features that the body is to leave out.

    The lower limits take nothing from others, so the hub's word is enough. A container with IPv6 could reach others by
    it: the body may leave its end out only if the engine has said that the kernel has none.
    """
    host = body.get("HostConfig")
    host = host if isinstance(host, dict) else {}
    limits = host.get("Ulimits")
    missing = set() if isinstance(limits, list) and len(limits) > 1 else {Feature.RAISED_LIMITS}
    return frozenset(missing | (set() if "Sysctls" in host else {Feature.IPV6} & known))


def _address(body: Mapping[str, Any], network: Network) -> IPv4Address:
    config: Any = body.get("NetworkingConfig")
    try:
        address = IPv4Address(config["EndpointsConfig"][network.name]["IPAMConfig"]["IPv4Address"])
    except (AddressValueError, KeyError, TypeError) as error:
        raise RefusedError("NetworkingConfig has no address of the class's bridge.") from error
    if not network.gateway < address < network.subnet.broadcast_address:
        raise RefusedError(f"NetworkingConfig has the address {address}, which is no container's.")
    return address


def _identities(labels: Mapping[str, str]) -> tuple[str, ...]:
    identities = split_label(labels, IDENTITY)
    if any(len(identity) > 256 or not identity.isprintable() for identity in identities):
        raise RefusedError(f"Labels.{IDENTITY} is no list of devices.")
    return identities


def _environment(value: object) -> dict[str, str]:
    """Return the variables of a list like `["HOME=/home/jovyan"]`."""
    if not isinstance(value, list) or not all(isinstance(item, str) and "=" in item[1:] for item in value):
        raise RefusedError("Env is no list of variables.")
    pairs = [item.split("=", 1) for item in value]
    variables = dict(pairs)
    if len(variables) < len(pairs) or any("\0" in item for item in value):
        raise RefusedError("Env has a variable twice, or a character that no variable has.")
    return variables


def _strings(value: object, key: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise RefusedError(f"{key} is no object of texts.")
    return value
