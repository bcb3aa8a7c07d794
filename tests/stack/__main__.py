"""`python -m stack`: see `--help`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from stack.common import StackError
from stack.control import VERBS, ask
from stack.host import opened, stack
from stack.layout import Layout
from stack.requirements import missing
from stack.supervisor import PARTS

TORCH = ("torch", "setuptools")
"""PyTorch, and what it needs on Python 3.12 and newer only."""


def main() -> int:
    """Run the subcommand and return its exit status."""
    options = _parser().parse_args()
    try:
        status: int = options.act(options)
    except (StackError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _run(options: argparse.Namespace) -> int:
    if reasons := missing():
        # Tests that need no stack still run; the others are skipped with these reasons.
        sys.stderr.write("".join(f"no stack here: {reason}\n" for reason in reasons))
        environment = {**os.environ, "CLASSROOM_SKIP": "; ".join(reasons)}
        return subprocess.run(options.command, check=False, env=environment).returncode
    with stack(parts=options.parts, packages=options.packages) as made:
        return subprocess.run([*made.enter(), *options.command], check=False, env=made.environment()).returncode


def _up(options: argparse.Namespace) -> int:
    with stack(parts=options.parts, packages=options.packages, keep=options.keep) as made:
        for name, value in made.environment().items():
            if name.startswith("CLASSROOM_"):
                sys.stdout.write(f"{name}={value}\n")
        sys.stdout.write(f"enter: {' '.join(made.enter())} CMD\n")
        sys.stdout.flush()
        if not options.keep:
            sys.stdout.write("Ctrl-C ends it\n")
            sys.stdin.read()
    return 0


def _down(options: argparse.Namespace) -> int:
    found = [Layout(directory) for directory in options.directories] or Layout.all()
    for layout in found:
        opened(layout.directory).down()
    return 0


def _ctl(options: argparse.Namespace) -> int:
    return ask(Layout(options.directory).control, [options.verb, *options.arguments])


def _missing(_: argparse.Namespace) -> int:
    reasons = missing()
    sys.stdout.write("".join(f"{reason}\n" for reason in reasons))
    return bool(reasons)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stack", description="The real parts of a class in namespaces of their own; needs root."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="start everything, run a command, stop everything",
        description="Starts everything, runs a command, stops everything. Where the stack cannot run, the "
        "command runs alone and finds the reasons in CLASSROOM_SKIP.",
    )
    run.add_argument("command", nargs="+", metavar="CMD")
    run.set_defaults(act=_run)
    up = commands.add_parser("up", help="start everything and say how to reach it")
    up.add_argument("--keep", action="store_true", help="leave it running until `down`")
    up.set_defaults(act=_up)
    for command in (run, up):
        command.add_argument(
            "--parts", type=lambda text: text.split(","), default=list(PARTS), help="only these, with commas between"
        )
        command.add_argument(
            "--torch",
            dest="packages",
            action="store_const",
            const=TORCH,
            default=(),
            help="PyTorch from PyPI (3 GB, kept in the cache) is in the package index that students' containers reach",
        )
    down = commands.add_parser("down", help="stop stacks that were kept, or left behind")
    down.add_argument("directories", nargs="*", type=Path, metavar="DIR", help="all, unless told")
    down.set_defaults(act=_down)
    verbs = "\n".join(f"  {verb:9}{text}" for verb, text in VERBS.items())
    ctl = commands.add_parser(
        "ctl",
        help="ask a running stack",
        description=f"verbs:\n{verbs}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ctl.add_argument("directory", type=Path, metavar="DIR")
    ctl.add_argument("verb", choices=VERBS, metavar="VERB")
    ctl.add_argument("arguments", nargs=argparse.REMAINDER)
    ctl.set_defaults(act=_ctl)
    asked = commands.add_parser("missing", help="print why the stack cannot run here")
    asked.set_defaults(act=_missing)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
