"""Student at work: signs up, starts a kernel, stores a number in it, and reads it later."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from behaviour.people import Visitor
from behaviour.servers import enrol
from support.waiting import wait_until

PLACE = Path("/run/work")


def main() -> None:
    """Leave a file at each step."""
    PLACE.mkdir(exist_ok=True)
    url, password = os.environ["CLASSROOM_URL"], sys.argv[1]
    admin = Visitor(url)
    answer = admin.sign_in("teacher", password)
    if answer.url.path == "/hub/change-password":
        changed = f"{password}-changed-by-tests"
        admin.post(str(answer.url), {"new_password": changed, "new_password_confirmation": changed})
    mine = enrol(url, admin, "ada")
    mine.start()
    with mine.kernel() as kernel:
        kernel.run("x = 41")
        (PLACE / "begun").touch()
        wait_until((PLACE / "go").exists, "the test continues", 1800)
        wait_until(lambda: mine.get("api/status").status_code == 200, "the server answers again", 120)
        kernel.reconnect()
        (PLACE / "done.part").write_text(kernel.run("x + 1"))
        (PLACE / "done.part").rename(PLACE / "done")


if __name__ == "__main__":
    main()
