"""The command line: `python3 -m images.student`, in the repository's root."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from images.student import debian
from images.student.build import Plan, build, make_base, wheel_tags
from images.student.common import ImageError, locked
from images.student.docker import Docker
from images.student.wheels import download


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its status; an error is a message on standard error and status 1."""
    options = _parser().parse_args(arguments)
    try:
        options.act(options)
    except ImageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _image(options: argparse.Namespace) -> None:
    made = build(Plan(options.tag, options.base_image), Docker(options.docker, options.host), _report)
    sys.stdout.write(f"{options.tag} is {'ready' if made else 'up to date'}\n")


def _wheels(options: argparse.Namespace) -> None:
    wanted = wheel_tags(Docker(options.docker, options.host), options.tag, Plan(options.tag, None).lock)
    download(wanted, options.packages, options.directory.absolute())


def _key(options: argparse.Namespace) -> None:
    sys.stdout.write(f"{Plan('', options.base_image).key}\n")


def _base(_: argparse.Namespace) -> None:
    make_base(Plan("", None))


def _root(options: argparse.Namespace) -> None:
    target = options.directory.absolute()
    with locked(target.name):
        if not target.exists():
            debian.make_root(target, options.packages, options.suite)


def _report(number: int, count: int, text: str) -> None:
    sys.stdout.write(f"step {number}/{count} {text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m images.student", description="Builds the students' image where Docker reaches no registry."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    image = commands.add_parser(
        "image",
        help="build the students' image in a Docker engine",
        description="Builds the students' image in a Docker engine. Prints a line 'step NUMBER/COUNT TEXT' for each "
        "step. Does nothing if the engine has the image and nothing in it has changed.",
    )
    image.add_argument(
        "--base-image",
        metavar="IMAGE",
        help="build on this image of Debian or Ubuntu, such as debian:trixie, instead of a Debian made by "
        "debootstrap. This needs neither root nor debootstrap. The engine pulls an image that it does not have.",
    )
    image.set_defaults(act=_image)
    content = commands.add_parser(
        "key",
        help="print a name of the content that the image would have",
        description="Prints a text that changes when, and only when, the image would change.",
    )
    content.add_argument("--base-image", metavar="IMAGE", help="as for the image")
    content.set_defaults(act=_key)
    base = commands.add_parser(
        "base",
        help="make the Debian that the image is built on",
        description="Makes the Debian that the image is built on, in the cache, for a later `image`.",
    )
    base.set_defaults(act=_base)
    wheels = commands.add_parser(
        "wheels",
        help="download packages for the image's Python",
        description="Downloads wheels of packages and of what they need, for the Python of an image in the engine.",
    )
    wheels.add_argument("directory", type=Path)
    wheels.add_argument("packages", nargs="+", metavar="PACKAGE")
    wheels.set_defaults(act=_wheels)
    for command in (image, wheels):
        command.add_argument("--tag", default="classroom-student:latest", help="name of the image (%(default)s)")
        command.add_argument("--host", help="address of the engine (DOCKER_HOST, or Docker's default)")
        command.add_argument("--docker", default="docker", metavar="COMMAND", help="Docker's client (%(default)s)")
    root = commands.add_parser(
        "root",
        help="make a Debian root file system in a directory",
        description="Makes a minimal Debian with these packages in a directory. Does nothing if the directory exists.",
    )
    root.add_argument("directory", type=Path)
    root.add_argument("packages", nargs="*", metavar="PACKAGE")
    root.add_argument("--suite", default=debian.SUITE, help="release of Debian (default: %(default)s)")
    root.set_defaults(act=_root)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
