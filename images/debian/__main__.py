# ruff: noqa: INP001 - `python3 images/debian` runs the folder, which is no package
"""Makes the students' image on a machine without Nix: `python3 images/debian --help`."""

from student_image.cli import main

raise SystemExit(main())
