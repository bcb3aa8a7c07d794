"""What Cloudflare and cloudflared do with a request: TLS at the edge, then Nginx's port on the machine, with headers.

https://developers.cloudflare.com/fundamentals/reference/http-headers/ has the headers.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from machine.certificates import make_certificate
from machine.outside import BROWSER
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DOMAIN = "hub.example.org"

_NGINX = """
daemon off;
error_log stderr;
pid {directory}/pid;
events {{ }}
http {{
  access_log off;
  map $http_upgrade $tunnel {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:443 ssl;
    ssl_certificate {directory}/cert.pem;
    ssl_certificate_key {directory}/key.pem;
    client_max_body_size 100m;
    location / {{
      proxy_pass http://127.0.0.1:80;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_read_timeout 1d;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $tunnel;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-For {browser};
      proxy_set_header CF-Connecting-IP {browser};
    }}
  }}
}}
"""


@contextlib.contextmanager
def edge(directory: Path, enter: Sequence[str]) -> Iterator[list[str]]:
    """Run an edge for DOMAIN, whose certificate is `cert.pem`.

    Args:
        directory: for its files.
        enter: the beginning of a command line that runs a command in the network of the machine.

    Yields:
        The beginning of a command line that runs a command where DOMAIN leads to the edge.
    """
    directory.mkdir()
    certificate, _ = make_certificate(directory, DOMAIN)
    (directory / "hosts").write_text(f"127.0.0.1 localhost {DOMAIN}\n", encoding="ascii")
    (directory / "nginx.conf").write_text(_NGINX.format(directory=directory, browser=BROWSER), encoding="ascii")
    hosts = f'mount --bind {directory}/hosts /etc/hosts && exec "$@"'
    process = subprocess.Popen([*enter, "nginx", "-c", directory / "nginx.conf"])
    there = [*enter, "unshare", "--mount", "sh", "-c", hosts, "sh"]
    fetch = [*there, "curl", "--silent", "--cacert", str(certificate), f"https://{DOMAIN}"]
    try:
        wait_until(
            lambda: subprocess.run(fetch, check=False, capture_output=True).returncode == 0, "the edge answers", 10
        )
        yield there
    finally:
        process.terminate()
        process.wait(30)
