from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jupyterhub import orm
from sqlalchemy.orm import Session

from classroom.accounts.groups import account_gpu_settings, account_settings
from classroom.errors import ClassroomError
from classroom.settings.file import load_settings
from classroom.settings.groups import (
    gpu_rules,
    groups_of_account,
    offers_gpus,
    settings_for_group,
    student_images,
    student_rules,
)
from classroom.settings.models import Settings

GIB = 1024**3

CLASS: dict[str, Any] = {
    "student": {"memory": "4G", "environment": {"A": "all", "B": "all"}},
    "images": {"vision": "classroom-vision:1"},
    "gpu": {"policy": "exclusive", "devices": ["0", "1", "2"], "offer": "5m", "longestLease": "4h", "idle": "45m"},
    "groups": {
        "ml": {
            "members": ["ada"],
            "memory": "8G",
            "cpus": 4,
            "image": "vision",
            "environment": {"A": "ml"},
            "gpu": {"perStudent": 2, "longestLease": "1d", "notice": "15m"},
            "shared": ["/srv/faces", "/srv/both"],
        },
        "art": {"memory": "6G", "processes": 100, "environment": {"A": "art", "C": "art"}, "shared": ["/srv/both"]},
        "staff": {"priority": 1, "memory": "2G", "gpu": {"policy": "all", "longestLease": 0}},
    },
}


def read(data: dict[str, Any]) -> Settings:
    return Settings.model_validate(data, by_name=False)


SETTINGS = read(CLASS)


def test_a_student_without_a_group_has_the_rules_of_everyone() -> None:
    found = student_rules(SETTINGS, ())
    assert (found.student, found.gpu) == (SETTINGS.student, SETTINGS.gpu)
    assert (found.shared, found.groups) == ((), ())


def test_a_group_changes_only_its_own_keys() -> None:
    found = student_rules(SETTINGS, ["ml"])
    assert (found.student.memory, found.student.cpus, found.student.image) == (8 * GIB, 4, "classroom-vision:1")
    assert found.student.processes == SETTINGS.student.processes
    assert found.student.environment == {"A": "ml", "B": "all"}
    assert (found.gpu.policy, found.gpu.per_student, found.gpu.devices) == ("exclusive", 2, ("0", "1", "2"))
    assert (found.gpu.offer, found.gpu.longest_lease, found.gpu.idle, found.gpu.notice) == (300, 86400, 2700, 900)
    assert found.shared == (Path("/srv/faces"), Path("/srv/both"))


@pytest.mark.parametrize("order", [("ml", "art"), ("art", "ml"), ("ml", "ml", "art")])
def test_of_equal_groups_the_alphabetically_first_decides_each_key(order: tuple[str, ...]) -> None:
    found = student_rules(SETTINGS, order)
    assert found.groups == ("art", "ml")
    assert (found.student.memory, found.student.cpus, found.student.processes) == (6 * GIB, 4, 100)
    assert found.student.environment == {"A": "art", "B": "all", "C": "art"}
    assert found.gpu.per_student == 2
    assert found.shared == (Path("/srv/both"), Path("/srv/faces"))


def test_the_highest_priority_decides_and_gpu_rules_are_not_mixed() -> None:
    found = student_rules(SETTINGS, ["art", "ml", "staff"])
    assert found.groups == ("staff", "art", "ml")
    assert found.student.memory == 2 * GIB
    assert (found.gpu.policy, found.gpu.per_student, found.gpu.devices) == ("all", 1, ())
    assert (found.gpu.longest_lease, found.gpu.idle, found.gpu.notice) == (0, 2700, 600), (
        "0 means never, null the site's value"
    )


def test_a_group_can_be_inspected_as_a_separate_class() -> None:
    found = settings_for_group(SETTINGS, "ml")
    assert (found.student.image, found.gpu.per_student) == ("classroom-vision:1", 2)
    with pytest.raises(ClassroomError, match=r"groups.mll: the settings name no such group; known: ml, art, staff"):
        settings_for_group(SETTINGS, "mll")


def test_members_are_named_or_in_jupyterhubs_group_of_that_name() -> None:
    assert groups_of_account(SETTINGS, "ada") == ("ml",)
    assert groups_of_account(SETTINGS, "ada", ["ml", "art", "unknown"]) == ("ml", "art")
    assert groups_of_account(SETTINGS, "ben", ["unknown"]) == ()


def test_a_reference_with_a_tag_needs_no_name() -> None:
    found = student_rules(read({"groups": {"a": {"image": "other:1"}}}), ["a"])
    assert found.student.image == "other:1"


def test_the_class_uses_the_images_and_rules_of_its_groups() -> None:
    assert student_images(SETTINGS) == ("classroom-student:latest", "classroom-vision:1")
    assert {where: gpu.policy for where, gpu in gpu_rules(SETTINGS).items()} == {
        "gpu": "exclusive",
        "groups.ml.gpu": "exclusive",
        "groups.staff.gpu": "all",
    }
    assert not offers_gpus(Settings())
    assert offers_gpus(read({"groups": {"a": {"gpu": {"policy": "all"}}}}))


@pytest.fixture
def hub() -> Session:
    db: Session = orm.new_session_factory("sqlite:///:memory:")()
    ada, ben = orm.User(name="ada"), orm.User(name="ben")
    db.add_all([ada, ben, orm.Group(name="art", users=[ada, ben]), orm.Group(name="elsewhere", users=[ben])])
    db.commit()
    return db


def test_the_hubs_groups_count_as_they_are_now(hub: Session) -> None:
    names = ["ada", "ben", "nobody"]
    assert [account_settings(hub, SETTINGS, names)[name].groups for name in names] == [("art", "ml"), ("art",), ()]
    assert [account_gpu_settings(hub, SETTINGS, names)[name].per_student for name in names] == [2, 1, 1]
    orm.Group.find(hub, "art").users.clear()
    hub.commit()
    assert [account_settings(hub, SETTINGS, names)[name].groups for name in names] == [("ml",), (), ()]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"groups": {"a": {"members": ["Bad Name"]}}}, "groups.a.members.0: write a name of at most 32 lower-case"),
        ({"groups": {"a/b": {}}}, "groups.a/b: name a group by at most 64 characters without a slash or a comma"),
        ({"groups": {"a": {"memroy": 1}}}, "groups.a.memroy: no such setting; did you mean memory?"),
        ({"groups": {"a": {"gpu": {"perStudnt": 1}}}}, "groups.a.gpu.perStudnt: no such setting; did you mean perSt"),
        ({"groups": {"a": {"memory": "4 GB"}}}, 'groups.a.memory: write a size such as "512M" or "4G"'),
        ({"groups": {"a": {"environment": {"LD_PRELOAD": "x"}}}}, "groups.a: environment.LD_PRELOAD is not yours"),
        (
            {"images": {"vision": "v:1"}, "groups": {"a": {"image": "vison"}}},
            "groups.a.image: no image has the name vison; did you mean vision?",
        ),
        (
            {"groups": {"a": {"image": "vision"}}},
            "images has none. For an image of the engine, write its tag too, such",
        ),
        (
            {"groups": {"a": {"gpu": {"perStudent": 2}}}},
            'groups.a.gpu: perStudent is for policy "exclusive", and the policy here is "none": write policy = "exclus',
        ),
        (
            {"gpu": {"policy": "exclusive"}, "groups": {"a": {"gpu": {"studentsPerDevice": 2}}}},
            'groups.a.gpu: studentsPerDevice is for policy "shared", and the policy here is "exclusive"',
        ),
        ({"groups": {"a": {"gpu": {"policy": "devices"}}}}, 'groups.a.gpu: policy "devices" needs devices: write'),
        (
            {"groups": {"a": {"gpu": {"policy": "all", "devices": ["0"]}}}},
            'groups.a.gpu: policy "all" takes no devices',
        ),
        (
            {"gpu": {"policy": "exclusive", "devices": ["0", "1"]}, "groups": {"a": {"gpu": {"perStudent": 3}}}},
            "groups.a.gpu: perStudent is 3 and devices names 2: nobody could have so many. Write perStudent = 2",
        ),
        (
            {"gpu": {"longestLease": "30m"}, "groups": {"a": {"gpu": {"notice": "30m"}}}},
            'groups.a.gpu: longestLease is no longer than notice, which is taken from it: write longestLease = "1h" or',
        ),
        (
            {"gpu": {"longestLease": "4h"}, "groups": {"a": {"gpu": {"idle": "5m"}}}},
            'groups.a.gpu: idle is no longer than notice, which is taken from it: write idle = "20m" or more',
        ),
        ({"groups": {"a": {"gpu": {"notice": "9s"}}}}, "groups.a.gpu.notice: write 10 or more"),
        ({"groups": {"a": {"gpu": {"idle": "soon"}}}}, 'groups.a.gpu.idle: write a duration such as "90s"'),
        ({"groups": {"a": {"shared": ["data"]}}}, "groups.a.shared: data must begin at the root"),
        ({"groups": {"a": {"shared": ["/srv/../etc"]}}}, "groups.a.shared: /srv/../etc must begin at the root"),
        (
            {"groups": {"a": {"shared": ["/srv/a"]}, "b": {"shared": ["/mnt/a"]}}},
            "groups.b.shared: /mnt/a would be shared/a, as /srv/a of groups.a is: give one of the folders another name",
        ),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_a_mistake_is_reported_with_its_path_and_the_remedy(tmp_path: Path, data: dict[str, Any], message: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(data))
    with pytest.raises(ClassroomError) as error:
        load_settings(file, {})
    assert f"{file}: {message}" in str(error.value) or message in str(error.value)


def test_the_example_groups_of_the_docs_are_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/groups.md").read_text()
    file = tmp_path / "settings.toml"
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    settings = load_settings(file, {})
    assert student_rules(settings, ["ml2026"]).student.image == "classroom-vision:2026"
    assert student_rules(settings, ["ml2026", "staff"]).gpu.policy == "all"


@pytest.mark.parametrize(
    "folder",
    ["/", "/etc", "/etc/ssl", "/var", "/run/docker", "/proc", "/srv", "/srv/homes", "/srv/homes/classroom-home-ada",
     "/var/lib/classroom/secrets", "/var/lib/docker/volumes"],
)  # fmt: skip
def test_directories_of_the_machine_or_of_students_cannot_be_shared(folder: str) -> None:
    storage = {"kind": "directory", "path": "/srv/homes"}
    with pytest.raises(ValueError, match="share a folder that contains only what they may read"):
        read({"storage": storage, "groups": {"a": {"shared": [folder]}}})
    read({"storage": storage, "groups": {"a": {"shared": ["/srv/data", "/nix/store/0-faces"]}}})


def test_every_mistake_of_groups_has_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"groups": {"a": {"image": "x", "shared": ["y"]}, "b": {"gpu": {"perStudent": 2}}}}))
    with pytest.raises(ClassroomError) as error:
        load_settings(file, {})
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == [
        "groups.a.image",
        "groups.a.shared",
        "groups.b.gpu",
    ]
