"""`classroom users` and `announce`: accounts, CSV files, sign-up codes, and the announcement on every page."""

from __future__ import annotations

import csv
import io
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from behaviour.people import PASSWORD, Visitor, api, page_messages
from behaviour.servers import Server
from behaviour.terminal import Terminal

Visit = Callable[..., Visitor]

WANTED = 30.0  # seconds for a list of 200
ENDPOINTS = [
    ("GET", "accounts", None),
    ("POST", "accounts", {"accounts": [{"name": "mallory"}]}),
    ("POST", "accounts/approve", {"all": True}),
    ("POST", "accounts/revoke", {"names": ["teacher"]}),
    ("POST", "accounts/remove", {"names": ["teacher"]}),
    ("POST", "accounts/reset-password", {"names": ["teacher"]}),
    ("POST", "adopt", {"people": [{"name": "mallory"}]}),
    ("GET", "codes", None),
    ("POST", "codes", {"count": 1, "lasts": 600}),
    ("DELETE", "codes", None),
    ("POST", "codes/revoke", {"all": True}),
    ("GET", "reservations", None),
    ("POST", "reservations", {"count": 1, "begins": "2027-01-15T12:00Z", "ends": "2027-01-15T13:00Z"}),
    ("POST", "reservations/cancel", {"ids": [1]}),
    ("GET", "servers", None),
    ("POST", "servers/stop", {"all": True}),
    ("GET", "announcement", None),
    ("PUT", "announcement", {"text": "mallory was here"}),
    ("DELETE", "announcement", None),
]
OUT_OF_BOUNDS = [
    ("codes", {"count": 10**30, "lasts": 600}),
    ("codes", {"count": 1, "lasts": 10**30}),
    ("codes/revoke", {"ids": [2**63]}),
    ("codes/revoke", {"ids": [0]}),
    ("reservations", {"count": 10**30, "begins": "2027-01-15T12:00Z", "ends": "2027-01-15T13:00Z"}),
    ("reservations", {"count": 1, "begins": "9999-12-31T23:59-12:00", "ends": "9999-12-31T23:59-13:00"}),
    ("reservations/cancel", {"ids": [2**63]}),
    ("reservations/cancel", {"ids": [-1]}),
]


def students(count: int) -> list[str]:
    mark = uuid.uuid4().hex[:6]
    return [f"{mark}-{number}" for number in range(count)]


def class_list(names: list[str], group: str = "") -> str:
    return "name,full name,group\n" + "".join(f"{name},Student {name},{group}\n" for name in names)


def accounts(terminal: Terminal) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in terminal.ask("users", "list")}


def must_choose(visit: Visit, name: str, password: str) -> bool:
    return visit().sign_in(name, password).url.path == "/hub/change-password"


def test_two_hundred_students_are_imported_and_their_passwords_work(
    terminal: Terminal, visit: Visit, figure: Callable[[str], None]
) -> None:
    names = students(200)
    terminal.write("class.csv", class_list(names, "imported"))
    begin = time.monotonic()
    done = terminal.run("users", "import", "class.csv")
    took = time.monotonic() - begin
    figure(f"classroom users import of 200 students: {took:.1f} s")
    assert done.returncode == 0, done.stderr
    assert "200 new." in done.stdout
    assert took < WANTED
    rows = list(csv.DictReader(io.StringIO(terminal.read("class-passwords.csv").lstrip("\ufeff"))))
    assert [row["name"] for row in rows] == names
    assert len({row["password"] for row in rows}) == 200
    sheet = terminal.read("class-passwords.html")
    assert all(row["password"] in sheet and f"Student {row['name']}" in sheet for row in rows)
    assert (terminal.mode("class-passwords.csv"), terminal.mode("class-passwords.html")) == ("600", "600")
    known = accounts(terminal)
    assert all(known[name]["groups"] == ["imported"] and known[name]["must_change"] for name in names)
    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(lambda row: must_choose(visit, row["name"], row["password"]), rows[::10]))
    assert all(asked)
    again = terminal.run("users", "import", "class.csv")
    assert (again.returncode, again.stdout) == (0, "200 there already.\n")
    assert accounts(terminal) == known


def test_existing_password_files_are_kept_and_nothing_is_done(terminal: Terminal) -> None:
    name = students(1)[0]
    terminal.write("other.csv", class_list([name]))
    terminal.write("kept.csv", "precious")
    done = terminal.run("users", "import", "other.csv", "--output", "kept")
    assert done.returncode == 1
    assert "kept.csv: exists already" in done.stderr
    assert terminal.read("kept.csv") == "precious"
    assert name not in accounts(terminal)


def test_bad_rows_of_a_list_are_named_by_line_and_nothing_is_done(terminal: Terminal) -> None:
    good, other = students(2)
    rows = [f"{good};Ada Löve;", "Ünal;;", "t3acher;;", f"{other};;a/b"]
    terminal.write("bad.csv", "\n".join(["Username;Name;Group", *rows]))
    done = terminal.run("users", "import", "bad.csv")
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()[:3]] == ["line 3", "line 4", "line 5"]
    assert "reserved for the instructors" in done.stderr
    assert "Nothing was done" in done.stderr
    assert "Traceback" not in done.stderr
    assert good not in accounts(terminal)


def test_a_dry_run_shows_the_changes_and_does_nothing(terminal: Terminal) -> None:
    name = students(1)[0]
    terminal.write("dry.csv", class_list([name]))
    done = terminal.run("users", "import", "dry.csv", "--dry-run")
    assert done.returncode == 0
    assert name in done.stdout
    assert "new account" in done.stdout
    assert "Nothing was done" in done.stdout
    assert name not in accounts(terminal)


def test_an_import_does_not_approve_a_sign_up_of_the_same_name(terminal: Terminal, visit: Visit, name: str) -> None:
    visit().sign_up(name)
    terminal.write("waits.csv", class_list([name]))
    done = terminal.run("users", "import", "waits.csv")
    assert done.returncode == 1
    assert "signed up under this name" in " ".join(done.stdout.split())
    assert accounts(terminal)[name]["state"] == "waiting"


def test_the_terminal_approves_closes_and_opens_accounts(terminal: Terminal, visit: Visit, name: str) -> None:
    student = visit()
    student.sign_up(name, full_name="Ada")
    assert terminal.run("users", "approve", name).stdout == f"Approved: {name}.\n"
    assert terminal.run("users", "approve", name).stdout == f"{name}: approved already.\n"
    student.sign_in(name)
    assert student.is_signed_in
    assert terminal.run("users", "revoke", name).stdout == f"Closed: {name}.\n"
    assert not student.is_signed_in
    assert student.sign_in(name).status_code == 403
    refused = terminal.run("users", "revoke", "teacher", "nobody-here")
    assert refused.returncode == 1
    assert "Remove the name from admins" in refused.stderr
    assert "nobody-here: there is no such account" in refused.stderr
    assert terminal.ask("users", "approve", name)["changed"] == [name]
    listed = terminal.run("users", "list").stdout
    assert max(map(len, listed.splitlines())) <= 80
    assert "\x1b" not in listed


def test_a_new_account_and_a_new_password_from_the_terminal_work_once(
    terminal: Terminal, visit: Visit, name: str
) -> None:
    [made] = terminal.ask("users", "add", name, "--full-name", "Ada Lovelace", "--group", "tutors")
    assert must_choose(visit, name, made["password"])
    [again] = terminal.ask("users", "add", name)
    assert (again["deed"], again["password"]) == ("nothing", None)
    given = terminal.ask("users", "reset-password", name)["passwords"][name]
    assert visit().sign_in(name, made["password"]).status_code == 403
    assert must_choose(visit, name, given)
    assert accounts(terminal)[name]["groups"] == ["tutors"]


def test_a_removed_students_home_is_archived_and_not_inherited(
    terminal: Terminal, new_student: Callable[..., Server], visit: Visit
) -> None:
    student = new_student()
    student.start()
    student.write("diary.txt", "mine")
    done = terminal.run("users", "remove", "--yes", student.name)
    assert (done.returncode, done.stdout) == (0, f"Removed: {student.name}.\n")
    assert student.name not in accounts(terminal)
    assert student.name not in {server["name"] for server in terminal.ask("servers", "list")}
    [made] = terminal.ask("users", "add", student.name)
    other = Server(visit(), student.name)
    answer = other.visitor.sign_in(student.name, made["password"])
    other.visitor.post(str(answer.url), {"new_password": PASSWORD, "new_password_confirmation": PASSWORD})
    other.start()
    assert other.get("api/contents/diary.txt").status_code == 404
    other.stop()


def test_a_code_admits_one_student_without_approval(
    terminal: Terminal, browser: Browser, contexts: list[BrowserContext], visit: Visit, name: str
) -> None:
    url = visit().url
    first, second = terminal.ask("users", "invite", "--count", "2", "--expires", "7d", "--group", "invited")
    contexts.append(browser.new_context())
    page = contexts[0].new_page()
    link = urlsplit(first["link"])
    page.goto(f"{url}{link.path}?{link.query}")
    expect(page.get_by_label("Sign-up code")).to_have_value(first["code"])
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The password again").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("Your account is ready")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda there: "/hub/login" not in there)
    found = accounts(terminal)[name]
    assert (found["state"], found["groups"]) == ("approved", ["invited"])
    assert "used already" in page_messages(sign_up_with(visit(), f"{name}-2", first["code"]))
    numbers = {code["hint"]: code for code in terminal.ask("users", "codes")}
    assert numbers[first["code"][:4]]["used_by"] == name
    terminal.run("users", "codes", "--revoke", str(second["id"]))
    assert "no longer valid" in page_messages(sign_up_with(visit(), f"{name}-3", second["code"]))
    assert f"{name}-3" not in accounts(terminal)


@pytest.mark.attack(90)
def test_guessing_codes_is_stopped(visit: Visit, name: str) -> None:
    guesser = visit()
    answers = [page_messages(sign_up_with(guesser, name, f"guess-{number}")) for number in range(7)]
    assert "is incorrect" in answers[0]
    assert "Too many wrong sign-up codes" in answers[-1]


def sign_up_with(visitor: Visitor, name: str, code: str) -> httpx.Response:
    fields = {"signup_password": PASSWORD, "signup_password_confirmation": PASSWORD}
    return visitor.post("/hub/signup", {"username": name, "code": code, **fields})


@pytest.mark.attack(47)
def test_an_announcement_is_on_every_page_as_text_until_it_is_removed(
    terminal: Terminal, admin: Visitor, visit: Visit
) -> None:
    terminal.run("announce", "Exam at <b>10</b> & no GPUs")
    shown = "Exam at &lt;b&gt;10&lt;/b&gt; &amp; no GPUs"
    assert shown in visit().get("/hub/login").text
    assert all(shown in admin.get(page).text for page in ("/hub/home", "/hub/authorize", "/hub/nothing-here"))
    assert "Exam at" in terminal.run("announce").stdout
    assert terminal.run("announce", "--clear").stdout == "No announcement is set.\n"
    assert shown not in admin.get("/hub/home").text


@pytest.mark.parametrize("way", ["cookie", "token"])
def test_a_student_is_refused_by_every_endpoint(student: Visitor, name: str, url: str, way: str) -> None:
    headers = {"X-XSRFToken": student.xsrf or "", "Referer": f"{url}/hub/home"}
    web = student.web
    if way == "token":
        token = api(student, "POST", f"users/{name}/tokens", {}).json()["token"]
        headers = {"Authorization": f"token {token}"}
        web = httpx.Client(base_url=url, timeout=60)
    for method, path, body in ENDPOINTS:
        answer = web.request(method, f"/hub/api/classroom/{path}", headers=headers, json=body)
        assert answer.status_code == 403, (method, path)
        assert answer.json()["message"]


@pytest.mark.attack(49)
def test_a_cookie_without_xsrf_token_and_an_anonymous_client_are_refused(admin: Visitor, url: str) -> None:
    for method, path, body in ENDPOINTS:
        if method != "GET":
            answer = admin.web.request(method, f"/hub/api/classroom/{path}", headers={"Referer": url}, json=body)
            assert answer.status_code == 403, (method, path)
        assert httpx.request(method, f"{url}/hub/api/classroom/{path}", json=body).status_code == 403, (method, path)


def test_an_instructors_token_can_use_the_api(admin: Visitor, url: str) -> None:
    token = api(admin, "POST", "users/teacher/tokens", {}).json()["token"]
    headers = {"Authorization": f"token {token}"}
    answer = httpx.get(f"{url}/hub/api/classroom/accounts", headers=headers)
    assert "teacher" in {account["name"] for account in answer.json()["accounts"]}
    for body in ("", "[]", "{", '{"accounts": []}', '{"accounts": [{"nme": "x"}]}', '{"accounts": [{"name": 1}]}'):
        answer = httpx.post(f"{url}/hub/api/classroom/accounts", headers=headers, content=body)
        assert (answer.status_code, bool(answer.json()["message"])) == (400, True), body
    for path, wanted in OUT_OF_BOUNDS:
        answer = httpx.post(f"{url}/hub/api/classroom/{path}", headers=headers, json=wanted)
        assert (answer.status_code, bool(answer.json()["message"])) == (400, True), (path, wanted)


def test_the_message_for_a_stopped_hub_has_the_command_that_starts_it(
    terminal: Terminal, server: Callable[..., str]
) -> None:
    server("stop", "hub")
    try:
        done = terminal.run("users", "list")
        changing = terminal.run("users", "add", "somebody")
    finally:
        server("start", "hub")
    assert (done.returncode, changing.returncode) == (3, 3)
    assert "does not answer" in done.stderr
    assert "systemctl start classroom-hub" in done.stderr
    assert "Nothing was done" in changing.stderr
