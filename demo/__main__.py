"""`python3 -m demo`. Old versions of Python read this file, to find a newer one or to say so: no new syntax here."""

import os
import shutil
import sys

OLDEST = 11
NEWEST = 30


def main() -> int:
    """Start the first stage with a Python that is new enough, and return its exit status."""
    if sys.version_info >= (3, OLDEST):
        from demo.first_stage import main as run  # noqa: PLC0415 - newer syntax

        return run()
    for minor in range(NEWEST, OLDEST - 1, -1):
        newer = shutil.which("python3.{}".format(minor))  # noqa: UP032 - see above
        if newer:
            os.execv(newer, [newer, "-m", "demo"] + sys.argv[1:])  # noqa: RUF005, S606 - see above; no shell
    sys.stderr.write(
        "make demo needs Python 3.{} or newer and python3 is {}.{}: install a newer one, "
        "or name one: make demo PYTHON=/path/to/python3\n".format(OLDEST, *sys.version_info[:2])
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
