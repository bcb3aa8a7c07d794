"""Files that pages show: they are the template's, or evaluate with the options of other projects that they use."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from machine.tutorial import Tutorial

from nix.evaluation import HERE, REPOSITORY, NixError, evaluate

if TYPE_CHECKING:
    from pathlib import Path

DOCS = REPOSITORY / "docs"
TUTORIAL = Tutorial(DOCS / "tutorials/nixos-server.md")
SECRETS = Tutorial(DOCS / "how-to/nixos-secrets.md")
INSTALL = Tutorial(DOCS / "how-to/nixos-install.md")

# The rest of the class, without Let's Encrypt.
CLASS = '{ services.classroom = { enable = true; domain = "hub.example.org"; admins = [ "teacher" ]; }; }'
WRONG = "map (entry: entry.message) (builtins.filter (entry: !entry.assertion) c.assertions)"


def test_the_tutorial_shows_the_template() -> None:
    template = REPOSITORY / "templates/class"
    assert TUTORIAL.files == {file.name: file.read_text(encoding="utf-8") for file in template.iterdir()}


def test_the_flake_of_the_tutorial_is_a_server_with_the_ports_that_the_page_names(tmp_path: Path) -> None:
    read = "c: { ports = c.networking.firewall.allowedTCPPorts; open = c.hardware.nvidia.open; inherit (c) warnings; }"
    found = evaluate(f"({read}) ({flake(tmp_path, TUTORIAL)}).config")
    assert set(found["ports"]) == {22, 80, 443}
    assert (found["open"], found["warnings"]) == (True, [])


@pytest.mark.parametrize(("file", "place"), [("sops", "/run/secrets"), ("agenix", "/run/agenix")])
def test_units_get_the_secrets_of_the_page(tmp_path: Path, file: str, place: str) -> None:
    files = write(tmp_path, SECRETS)
    option = {"sops": "sops", "agenix": "age"}[file]
    read = f"""c: {{
      hub = c.systemd.services.classroom-hub.serviceConfig.LoadCredential;
      backup = c.systemd.services.classroom-backup.serviceConfig.LoadCredential;
      key = c.services.nginx.virtualHosts.classroom-browsers.sslCertificateKey;
      owner = c.{option}.secrets.certificate-key.owner;
      user = c.services.nginx.user;
      wrong = {WRONG};
    }}"""
    found = machine(read, f"{HERE}/others/{file}.nix", f"{files}/{file}.nix", CLASS)
    assert {f"crypt-key:{place}/crypt-key", f"cookie-secret:{place}/cookie-secret"} <= set(found["hub"])
    assert f"backup-password:{place}/restic" in found["backup"]
    assert found["key"] == f"{place}/certificate-key"
    assert found["owner"] == found["user"]
    assert found["wrong"] == []


def test_the_flake_of_an_empty_machine_has_a_file_system_for_homes_with_quotas(tmp_path: Path) -> None:
    configuration = TUTORIAL.files["configuration.nix"]
    (tmp_path / "configuration.nix").write_text(re.sub(r"^ *storage\..*\n", "", configuration, flags=re.MULTILINE))
    read = f"""c: {{
      homes = {{ inherit (c.fileSystems."/srv/homes") fsType options; }};
      root = c.fileSystems."/".fsType;
      wrong = {WRONG};
    }}"""
    found = evaluate(f"({read}) ({flake(tmp_path, INSTALL)}).config")
    assert found == {"homes": {"fsType": "xfs", "options": ["prjquota"]}, "root": "ext4", "wrong": []}


def test_a_secret_in_the_store_is_refused(tmp_path: Path) -> None:
    files = write(tmp_path, SECRETS)
    agenix = files / "agenix.nix"
    agenix.write_text(agenix.read_text().replace("secrets.crypt-key.path", "secrets.crypt-key.file"))
    with pytest.raises(NixError, match="outside the Nix store"):
        machine("c: c.services.classroom.secrets.cryptKey", f"{HERE}/others/agenix.nix", f"{agenix}")


def write(directory: Path, page: Tutorial) -> Path:
    """Write the files of a page, and the encrypted ones that they name."""
    for name, text in page.files.items():
        (directory / name).write_text(text, encoding="utf-8")
    for name in ("secrets.yaml", "crypt-key.age", "cookie-secret.age", "restic.age", "certificate-key.age"):
        (directory / name).touch()
    return directory


def flake(directory: Path, page: Tutorial) -> str:
    """Return the server of a page's flake.nix, with this checkout, <nixpkgs> and the options of disko."""
    write(directory, page)
    shutil.copy(HERE / "machine.nix", directory / "hardware-configuration.nix")
    return f"""((import {directory}/flake.nix).outputs {{
      classroom.nixosModules.default = {REPOSITORY}/modules;
      classroom.inputs.nixpkgs.lib.nixosSystem = t.evalConfig;
      disko.nixosModules.disko = {HERE}/others/disko.nix;
    }}).nixosConfigurations.server"""


def machine(read: str, *modules: str) -> Any:
    """Return what a function reads of the configuration of a machine with these modules."""
    return evaluate(f"({read}) (t.machine [ {' '.join(f'({module})' for module in modules)} ]).config")
