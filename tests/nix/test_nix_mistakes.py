"""Assertions and types of the module: a mistake fails the build, with the line to write."""

from __future__ import annotations

from typing import Any

import pytest

from nix.evaluation import NixError, evaluate

# A mistake in an otherwise correct host (class: services.classroom), and a part of the message.
ASSERTIONS = {
    "a state of a later version": ('class.stateVersion = "99.0";', "services.classroom.stateVersion ="),
    "nobody to approve": ("class.admins = lib.mkForce [ ];", 'services.classroom.admins = [ "teacher" ];'),
    "ACME without a domain": ("class.domain = lib.mkForce null;", 'services.classroom.domain = "hub.example.org";'),
    "ACME without an address": ("class.tls.acme.email = lib.mkForce null;", "services.classroom.tls.acme.email ="),
    "two sources of TLS": (
        'class.tls.certificate = "/c.pem"; class.tls.key = "/c.key";',
        "services.classroom.tls.acme.enable = false;",
    ),
    "host names of students without one of the hub": (
        'class.domain = lib.mkForce null; class.tls.acme.enable = lib.mkForce false; class.site.origins = "each";',
        'services.classroom.domain = "hub.example.org";',
    ),
    "two host names of which one is missing": (
        'class.site.origins = "two";',
        'services.classroom.serversDomain = "servers.example.org";',
    ),
    "a wildcard certificate by HTTP": (
        'class.site.origins = "each";',
        'services.classroom.tls.acme = { dnsProvider = "cloudflare";',
    ),
    "a DNS provider without credentials": (
        'class.tls.acme.dnsProvider = "cloudflare";',
        'services.classroom.tls.acme.environmentFile = "/run/secrets/dns";',
    ),
    "a certificate without its key": (
        'class.tls.acme.enable = lib.mkForce false; class.tls.certificate = "/c.pem";',
        "services.classroom.tls.key =",
    ),
    "a key without its certificate": ('class.tls.key = "/c.key";', "services.classroom.tls.certificate ="),
    "TLS before and behind a tunnel": (
        'class.tunnel = { enable = true; id = "00000000-0000-4000-8000-000000000000"; credentialsFile = "/t"; };',
        "Remove services.classroom.tls;",
    ),
    "a tunnel without its credentials": (
        "class.tls.acme.enable = lib.mkForce false; class.tunnel.enable = true;",
        "services.classroom.tunnel = {",
    ),
    "a tunnel without a domain": (
        "class.tls.acme.enable = lib.mkForce false; class.domain = lib.mkForce null; class.tunnel.enable = true;",
        'services.classroom.domain = "hub.example.org"; and services.classroom.nginx.enable = true;',
    ),
    "no devices": ('class.gpu.policy = "devices";', 'services.classroom.gpu.devices = [ "0" ];'),
    "devices for nobody": ('class.gpu.devices = [ "0" ];', 'services.classroom.gpu.policy = "devices";'),
    "devices with all": ('class.gpu.policy = "all"; class.gpu.devices = [ "0" ];', 'policy "all" takes no devices'),
    "MPS without anybody who shares": (
        'class.gpu.policy = "exclusive"; class.gpu.mps.enable = true;',
        'services.classroom.gpu.policy = "shared";',
    ),
    "a bound of an MPS that is off": (
        'class.gpu.policy = "shared"; class.gpu.mps.memory = "8G";',
        "services.classroom.gpu.mps.enable = true;",
    ),
    "CUDA without its licence": (
        (
            'class.gpu.policy = "all"; '
            "_module.args.pkgs = lib.mkForce (import <nixpkgs> { config.allowUnfree = false; });"
        ),
        "To accept it, write nixpkgs.config.allowUnfree = true; otherwise write services.classroom.image.cuda = false;",
    ),
    "a GPU policy without the toolkit": (
        'class.gpu.policy = "all"; class.gpu.driver = false;',
        "hardware.nvidia-container-toolkit.enable = true;",
    ),
    "no driver": (
        'class.gpu.policy = "all"; class.gpu.driver = false; hardware.nvidia-container-toolkit.enable = true;',
        'services.xserver.videoDrivers = [ "nvidia" ];',
    ),
    "GPUs for a group without the toolkit": (
        'class.groups.ml.gpu.policy = "exclusive"; class.gpu.driver = false;',
        "services.classroom.groups give GPUs to students, but the container toolkit is off",
    ),
    "a setting with another value than NixOS has": (
        'class.settings.network.subnet = "10.9.0.0/20";',
        "Write services.classroom.network.subnet = … instead.",
    ),
    "a group with a GPU that NixOS does not see": (
        'class.settings.groups.ml.gpu.policy = "all";',
        "services.classroom.settings.groups differs from services.classroom.groups",
    ),
    "a group's image that is none": (
        'class.images.vision = { }; class.groups.ml.image = "vison";',
        "services.classroom.groups.ml.image: no image has the name vison (images: vision). Write",
    ),
    "a count of GPUs": ("class.gpu.count = 1;", 'services.classroom.gpu.policy = "exclusive";'),
    "a count with devices": (
        'class.gpu = { policy = "devices"; devices = [ "0" ]; count = 1; };',
        'services.classroom.gpu.policy = "exclusive";',
    ),
    "a subnet that is none": ('class.network.subnet = "10.213.0.1/20";', "the bits after its prefix are not 0"),
    "a subnet for a dozen": ('class.network.subnet = "10.213.0.0/29";', "room for fewer than 13 containers"),
    "a subnet that is Docker's": (
        'class.network.subnet = "172.17.0.0/20";',
        "collides with Docker's own bridge (172.17.0.1/16)",
    ),
    "a subnet that the machine is in": (
        (
            'class.network.subnet = "10.0.0.0/16"; '
            'networking.interfaces.eth0.ipv4.addresses = [ { address = "10.0.5.7"; prefixLength = 24; } ];'
        ),
        "collides with networking.interfaces.eth0 (10.0.5.7/24)",
    ),
    "hub and proxy on one port": (
        'class.hub.listen = "127.0.0.1:9000"; class.proxy.api = "127.0.0.1:9000";',
        "uses port 9000 twice (hub.listen and proxy.api)",
    ),
    "Nginx on the hub's port": ("class.nginx.port = 8081;", "twice (hub.listen and nginx.port"),
    "Nginx on the containers' port": (
        "class.nginx.port = 9090; class.network.apiPort = 9090;",
        "twice (nginx.port and network.apiPort)",
    ),
    "Nginx's counters on the hub's port": (
        "class.metrics = { enable = true; nginxPort = 8081; };",
        "twice (hub.listen and metrics.nginxPort)",
    ),
    "a port taken on purpose": (
        'class.nginx.port = 8082; class.proxy.listen = "127.0.0.1:8082";',
        "twice (proxy.listen and nginx.port)",
    ),
    "a proxy without sockets": (
        'class.proxy.package = lib.mkForce { type = "derivation"; version = "4.5.6"; outPath = "/p"; };',
        "Remove services.classroom.proxy.package;",
    ),
    "pruning of what the class needs": (
        'virtualisation.docker.autoPrune = { enable = true; flags = [ "--all" ]; };',
        "--filter=label!=org.classroom.keep",
    ),
    "pruning of volumes, which homes are": (
        (
            "virtualisation.docker.autoPrune = "
            '{ enable = true; flags = [ "--volumes" "--filter=label!=org.classroom.keep" ]; };'
        ),
        "virtualisation.docker.autoPrune.flags prune volumes",
    ),
    "pruning of all volumes, where NixOS has it": (
        (
            'imports = lib.optional (lib.versionOlder lib.trivial.release "26.05") '
            "{ options.virtualisation.docker.autoPrune.allVolumes.enable = lib.mkEnableOption null; }; "
            "virtualisation.docker.autoPrune = { enable = true; allVolumes.enable = true; };"
        ),
        "virtualisation.docker.autoPrune.allVolumes.enable = false;",
    ),
    "a backup without a password": (
        'class.backup.repository = "/backup";',
        'services.classroom.backup.passwordFile = "/run/secrets/restic";',
    ),
    "folders for homes nowhere": (
        'class.storage.kind = "directory";',
        'Write services.classroom.storage.path = "/srv/homes";',
    ),
    "a quota of volumes": ('class.storage.quota = "20G";', 'Write services.classroom.storage.kind = "directory";'),
    "a bound of files alone": (
        'class.storage = { kind = "directory"; path = "/srv/homes"; files = 1000; };',
        'Write services.classroom.storage.quota = "20G";',
    ),
    "a quota on a disk that keeps none": (
        (
            'class.storage = { kind = "directory"; path = "/srv/homes"; quota = "20G"; }; '
            'fileSystems."/srv" = { device = "/dev/sdb"; fsType = "ext4"; };'
        ),
        'Write fileSystems."/srv".options = [ "prjquota" ];',
    ),
    "a quota on a disk that cannot": (
        (
            'class.storage = { kind = "directory"; path = "/srv/homes"; quota = "20G"; }; '
            'fileSystems."/srv" = { device = "/dev/sdb"; fsType = "btrfs"; };'
        ),
        "Put storage.path on a file system of type xfs or ext4.",
    ),
    "an engine without its socket": (
        'virtualisation.docker.listenOptions = [ "127.0.0.1:2375" ];',
        'Write virtualisation.docker.listenOptions = [ "/run/docker.sock" ];',
    ),
    "an engine with other users": (
        'virtualisation.docker.daemon.settings.userns-remap = "default";',
        "students' homes would belong to other users",
    ),
    "an engine that does not know its rules": (
        (
            'virtualisation.docker.package = pkgs.docker // { version = "28.5.2"; }; '
            'virtualisation.docker.daemon.settings.firewall-backend = "nftables";'
        ),
        "virtualisation.docker.package = pkgs.docker_29;",
    ),
    "an engine that takes its containers along": (
        "virtualisation.docker.daemon.settings.live-restore = false;",
        "virtualisation.docker.daemon.settings.live-restore = true;",
    ),
}

# A value outside its type, the option in the message, and a part of the type's description.
TYPES = {
    "an admin's name in capitals": ('admins = [ "Teacher" ]', "admins", "lower-case letters"),
    "an admin's name that is a path": ('admins = [ "../x" ]', "admins", "lower-case letters"),
    "a secret in the store": (
        'secrets.cryptKey = "${builtins.storeDir}/0-key"',
        "secrets.cryptKey",
        "outside the Nix store",
    ),
    "a secret that Nix would copy": ("secrets.cryptKey = ./key", "secrets.cryptKey", "outside the Nix store"),
    "a private key in the store": ('tls.key = "${builtins.storeDir}/0-key"', "tls.key", "outside the Nix store"),
    "a tunnel's credentials in the store": (
        'tunnel.credentialsFile = "${builtins.storeDir}/0-key"',
        "tunnel.credentialsFile",
        "outside the Nix store",
    ),
    "a backup's password in the store": (
        'backup.passwordFile = "${builtins.storeDir}/0-key"',
        "backup.passwordFile",
        "outside the Nix store",
    ),
    "a device that is a number": ("gpu.devices = [ 0 ]", "gpu.devices", "string"),
    "a member's name in capitals": ('groups.ml.members = [ "Ada" ]', "groups.ml.members", "lower-case letters"),
    "a shared folder that begins nowhere": ('groups.ml.shared = [ "data" ]', "groups.ml.shared", '"/srv/homes"'),
    "a policy of another name": ('gpu.policy = "some"', "gpu.policy", '"devices"'),
    "a size with a unit of its own": ('student.memory = "4 GB"', "student.memory", '"512M" or "4G"'),
    "a duration in words": ('culling.idle = "an hour"', "culling.idle", '"60m"'),
    "a folder for homes that begins nowhere": ('storage.path = "homes"', "storage.path", '"/srv/homes"'),
    "a short password": ("accounts.passwordLength = 4", "accounts.passwordLength", "between 8 and 64"),
    "a class below a path": ('site.externalUrl = "https://a.org/hub/"', "site.externalUrl", "https"),
}


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    written = {name: text.replace("class.", "services.classroom.") for name, (text, _) in ASSERTIONS.items()}
    cases = " ".join(f'"{name}" = {{ lib, pkgs, ... }}: {{ {text} }};' for name, text in written.items())
    found: dict[str, Any] = evaluate(f"let c = {{ {cases} }}; in {{ said = t.assertions c; held = t.held c; }}")
    return found


@pytest.fixture
def messages(answers: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = answers["said"]
    return found


def test_every_assertion_fires_in_a_case(answers: dict[str, Any]) -> None:
    assert [number for number, held in enumerate(zip(*answers["held"].values(), strict=True)) if all(held)] == []


@pytest.mark.parametrize("case", ASSERTIONS)
def test_a_mistake_is_reported_with_the_line_to_write(messages: dict[str, list[str]], case: str) -> None:
    assert any(ASSERTIONS[case][1] in message for message in messages[case]), messages[case]


@pytest.mark.parametrize("case", TYPES)
def test_a_value_outside_its_type_is_refused(case: str) -> None:
    definition, option, takes = TYPES[case]
    path: Any = " ".join(f'"{part}"' for part in option.split("."))
    with pytest.raises(NixError) as error:
        evaluate(f"t.value {{ services.classroom.{definition}; }} [ {path} ]")
    assert f"services.classroom.{option}" in str(error.value)
    assert takes in str(error.value)
