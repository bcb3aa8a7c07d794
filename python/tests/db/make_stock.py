"""Generator of stock.sql: accounts on a real JupyterHub 5.5.4 with stock NativeAuthenticator 1.3.0.

It needs its own environment, without JupyterHub 6:
    pip install jupyterhub==5.5.4 jupyterhub-nativeauthenticator==1.3.0 httpx
    PATH=…/configurable-http-proxy:$PATH python make_stock.py > stock.sql
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

URL = "http://127.0.0.1:18000"
CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:18000"
c.JupyterHub.hub_port = 18081
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:18001"
c.JupyterHub.authenticator_class = "native"
c.JupyterHub.spawner_class = "simple"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"teacher"}
"""
PASSWORDS = json.loads(Path(__file__).with_name("stock.json").read_text(encoding="utf-8"))


def main() -> None:
    """Run the hub, sign up all users, approve some and log them in, and print the database."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.py").write_text(CONFIG, encoding="utf-8")
        hub = subprocess.Popen([sys.executable, "-m", "jupyterhub", "-f", "config.py"], cwd=folder, stdout=sys.stderr)
        try:
            while not answers():
                time.sleep(0.2)
            sign_everybody_up()
        finally:
            hub.terminate()
            hub.wait()
        database = sqlite3.connect(Path(folder) / "jupyterhub.sqlite")
        sys.stdout.write("\n".join(database.iterdump()) + "\n")


def sign_everybody_up() -> None:
    """Sign up all users as a browser does."""
    for name, account in PASSWORDS.items():
        password = {"signup_password": account["password"], "signup_password_confirmation": account["password"]}
        assert post(httpx.Client(base_url=URL), "/hub/signup", {"username": name, **password}).status_code == 200
    admin = httpx.Client(base_url=URL)
    sign_in(admin, "teacher")
    for name, account in PASSWORDS.items():
        if account["approved"] and name != "teacher":
            assert admin.get(f"/hub/authorize/{name}", follow_redirects=True).status_code == 200
            sign_in(httpx.Client(base_url=URL), name)


def sign_in(client: httpx.Client, name: str) -> None:
    post(client, "/hub/login?next=/hub/home", {"username": name, "password": PASSWORDS[name]["password"]})
    assert client.get("/hub/home").status_code == 200, name


def post(client: httpx.Client, path: str, fields: dict[str, str]) -> httpx.Response:
    client.get(path)
    token = next(cookie.value for cookie in client.cookies.jar if cookie.name == "_xsrf")
    return client.post(path, data={"_xsrf": token or "", **fields}, follow_redirects=True)


def answers() -> bool:
    try:
        return httpx.get(f"{URL}/hub/health").status_code == 200
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
