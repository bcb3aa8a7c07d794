"""Commands that systemd units and `make demo` start: hub, proxy, Nginx's configuration, network, homes helper."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from classroom.cli.output import DEFAULT_SETTINGS, SettingsFile, print_text
from classroom.settings.file import load_settings
from classroom.settings.parts import part

images = typer.Typer(help="The images of the students' servers.", no_args_is_help=True)
network = typer.Typer(help="The class's bridge and its firewall rules.", no_args_is_help=True)


def hub(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Run the hub in the foreground."""
    from classroom.hub.launch import run_hub  # noqa: PLC0415 - JupyterHub takes a second to import

    run_hub(settings_file, lambda text: print_text(text, err=True))


def proxy(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Run the proxy in the foreground. It is a separate process: a restart of the hub does not stop it."""
    from classroom.hub.launch import run_proxy  # noqa: PLC0415 - as above

    run_proxy(settings_file)


def nginx(  # noqa: PLR0913, PLR0917 - options of a command
    directives: Annotated[Path, typer.Option(help="The directory modules/nginx of this project.")],
    directory: Annotated[Path, typer.Option(help="A directory for Nginx's pid, access log and temporary files.")],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    listen: Annotated[list[str] | None, typer.Option(help="Address and port for browsers; may be repeated.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="The certificate chain (PEM); every address speaks TLS.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    trusted: Annotated[
        list[str] | None, typer.Option(help="A proxy in front that may name the client; may be repeated.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="The user of the workers, if Nginx starts as root.")] = None,
) -> None:
    """Print an nginx.conf for this class, for `nginx -e stderr -c FILE`."""
    from classroom.hub.nginx import NginxSite, render_nginx_config  # noqa: PLC0415 - as above

    front = NginxSite(
        directives=directives.resolve(),
        directory=directory.resolve(),
        listen=tuple(listen or ["127.0.0.1:8000"]),
        certificate=certificate,
        key=key,
        trusted=tuple(trusted or ()),
        user=user,
    )
    typer.echo(render_nginx_config(load_settings(settings_file), front), nl=False)


@images.command()
def load(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSON: a list of objects with reference, stream (a program, or null) and conf (or null).",
        ),
    ],
    settings_file: SettingsFile = DEFAULT_SETTINGS,
) -> None:
    """Load the images that the engine does not have, and remove old ones that no server uses. Log the progress."""
    from classroom.docker.client import connect  # noqa: PLC0415 - the engine's client takes a while to import
    from classroom.docker.images import TIMEOUT, load_images, read_sources  # noqa: PLC0415

    settings = part(load_settings(settings_file), "images")
    with connect(settings.docker.host, TIMEOUT) as client:
        load_images(client, read_sources(file), settings.paths.images, print_text)


@network.command()
def up(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Create the class's bridge and its firewall rules. Existing correct parts stay."""
    from classroom.docker.network import network_up  # noqa: PLC0415 - the engine's client takes a while to import

    settings = part(load_settings(settings_file), "network")
    network_up(settings.network, settings.docker.host)
    print_text(
        f"{settings.network.name}: containers on {settings.network.subnet} reach {settings.network.gateway}:"
        f"{settings.network.api_port} of this machine" + (" and the internet" * settings.network.internet) + "."
    )


@network.command()
def watch(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Load the firewall rules again when another program has removed them. This runs in the foreground."""
    from classroom.docker.firewall_watch import watch_rules  # noqa: PLC0415 - for this command only

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # The first process of a container ignores it without a handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    watch_rules(lambda: part(load_settings(settings_file), "network").network)


@network.command()
def resolver(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Run the name server of `network.domains` in the foreground: dnsmasq on the class's bridge."""
    from classroom.docker.resolver import run_resolver  # noqa: PLC0415 - for this command only

    run_resolver(part(load_settings(settings_file), "resolver").network)


@network.command()
def down(settings_file: SettingsFile = DEFAULT_SETTINGS) -> None:
    """Remove the class's bridge and its firewall rules. While `classroom network watch` runs, the rules come back."""
    from classroom.docker.network import network_down  # noqa: PLC0415 - as above

    settings = load_settings(settings_file)
    network_down(settings.network, settings.docker.host)


def homes_helper(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    user: Annotated[str | None, typer.Option(help="The hub's user, who may connect like root.")] = None,
    listen: Annotated[Path | None, typer.Option(help="The socket to create, where systemd gives none.")] = None,
) -> None:
    """Create homes for the hub, as root: started by systemd's socket, or in the foreground with --listen."""
    from classroom.storage.helper import serve  # noqa: PLC0415 - for this command only

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    serve(settings_file, user, listen)


def engine_filter(
    settings_file: SettingsFile = DEFAULT_SETTINGS,
    user: Annotated[str | None, typer.Option(help="The hub's user, who owns the socket.")] = None,
    # An old socket belongs to the hub's user, and may not be readable: it is replaced.
    listen: Annotated[
        Path | None, typer.Option(readable=False, help="The socket to create, where systemd gives none.")
    ] = None,
) -> None:
    """Pass the hub's requests to the Docker engine if the settings allow them. The hub then is not root."""
    from classroom.engine_filter.server import serve  # noqa: PLC0415 - for this command only

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    serve(settings_file, user, listen)
