from __future__ import annotations

import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from classroom.docker.image_progress import ImageProgress, read_progress, report_progress
from classroom.docker.images import ImageSource, read_sources

if TYPE_CHECKING:
    from pathlib import Path


def test_the_hub_reads_what_the_loader_writes_until_its_end(tmp_path: Path) -> None:
    images = {"first:1": ImageProgress("copied", 5 << 20, 20 << 20), "second:1": ImageProgress()}
    with report_progress(tmp_path) as file:
        assert read_progress(tmp_path) == {}
        file.write(images)
        assert read_progress(tmp_path) == images
    assert read_progress(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": {"weight": 1}}'])
def test_a_file_that_is_broken_or_of_another_version_is_no_progress(tmp_path: Path, text: str) -> None:
    with report_progress(tmp_path):
        (tmp_path / "progress.json").write_text(text)
        assert read_progress(tmp_path) == {}


def test_what_a_killed_loader_left_behind_is_no_progress(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "progress.json").write_text('{"a:1": {"step": "copied", "done": 1, "total": 2}}')
    assert read_progress(tmp_path) == {}


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_the_hubs_user_can_read_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with report_progress(tmp_path) as file:
            file.write({})
            assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("progress", "text", "percent"),
    [
        (ImageProgress(), "The image of your server is next.", 0),
        (ImageProgress("copied", 0, 0), "The image of the servers loads: 0 copied.", 0),
        (ImageProgress("copied", 2 << 30, 8 << 30), "The image of the servers loads: 2G of 8G copied.", 12),
        (ImageProgress("unpacked", 4 << 30, 8 << 30), "The image of the servers loads: 4G of 8G unpacked.", 75),
        (ImageProgress("unpacked", 8 << 30, 8 << 30), "The image of the servers loads: 8G of 8G unpacked.", 100),
    ],
)
def test_pages_say_how_far_it_is(progress: ImageProgress, text: str, percent: int) -> None:
    assert (str(progress), progress.percent) == (text, percent)


def test_the_size_of_an_image_is_that_of_its_archive(tmp_path: Path) -> None:
    path = tmp_path / "store/package"
    (path / "lib").mkdir(parents=True)
    (path / "lib/one").write_bytes(b"a" * 1000)
    (path / "lib/empty").touch()
    (path / "link").symlink_to("lib/one")
    single = tmp_path / "store/file"
    single.write_bytes(b"b" * 513)
    conf = tmp_path / "conf.json"
    conf.write_text(json.dumps({"store_layers": [[str(path)], [str(single)]]}))
    with tarfile.open(tmp_path / "archive.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for member in (path, single):
            archive.add(member)
        written = archive.offset
    assert ImageSource("image:1", tmp_path / "stream", conf).size() == written


def test_the_size_is_unknown_without_a_list_of_contents(tmp_path: Path) -> None:
    file = tmp_path / "images.json"
    file.write_text('[{"reference": "image:1", "stream": "/nix/store/stream", "conf": null}]')
    (source,) = read_sources(file)
    assert source.size() == 0


def test_an_image_that_the_operator_loads_has_no_program(tmp_path: Path) -> None:
    file = tmp_path / "images.json"
    file.write_text('[{"reference": "image:1", "stream": null}]')
    assert read_sources(file) == [ImageSource("image:1", None)]
