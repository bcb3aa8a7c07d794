"""Generation of modules/options/generated.nix from the models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from classroom.settings.models import Settings, Student
from classroom.settings.nix_options import has_option, option_type, render_nix_options, write_nix
from classroom.settings.types import AccountName, Duration, Size

MODULES = Path(__file__).parents[3] / "modules"
GENERATED = MODULES / "options/generated.nix"


class MoreStudent(Student):
    """The section `student` with one more setting."""

    greeting: str = Field(default="hello", max_length=20, examples=['${good} "day"'])
    """What the server says.

    To a `student`."""


class MoreSettings(Settings):
    """Settings in which one field was added, as in models.py."""

    student: MoreStudent = MoreStudent()


def test_the_options_are_those_of_the_models() -> None:
    assert GENERATED.read_text(encoding="utf-8") == render_nix_options(), "run: make docs"


def test_a_new_setting_is_a_new_option_and_changes_nothing_else() -> None:
    before, after = render_nix_options().splitlines(), render_nix_options(MoreSettings).splitlines()
    added = [line.strip() for line in after if line not in before]
    assert added == [
        "greeting = mkOption {",
        'type = types.strMatching ".{0,20}";',
        'default = "hello";',
        r'example = "\${good} \"day\"";',
        'description = "What the server says. To a `student`.";',
    ]
    assert len(after) == len(before) + 6


@pytest.mark.parametrize(
    ("annotation", "expression"),
    [
        (bool, "types.bool"),
        (str, "types.str"),
        (int, "types.int"),
        (Annotated[int, Field(ge=0)], "types.ints.unsigned"),
        (Annotated[int, Field(ge=1)], "types.ints.positive"),
        (Annotated[int, Field(ge=2, le=9)], "types.ints.between 2 9"),
        (Annotated[int, Field(ge=64)], "types.addCheck types.int (value: value >= 64)"),
        (Annotated[float, Field(gt=0, le=4)], "types.addCheck types.number (value: value > 0 && value <= 4)"),
        (Annotated[str, Field(pattern=r"^[a-z][^\s]*$")], 'types.strMatching "[a-z][^[:space:]]*"'),
        (Annotated[str, Field(min_length=1)], 'types.strMatching ".+"'),
        (Literal["a", "b"], 'types.enum [ "a" "b" ]'),
        (Duration | None, "types.nullOr own.duration"),
        (tuple[AccountName, ...], "types.listOf own.accountName"),
        (Annotated[tuple[Path, ...], Field(min_length=1)], 'types.nonEmptyListOf (types.strMatching "/.+")'),
        (dict[str, Size], "types.attrsOf own.size"),
        (IPv4Network, "own.ipv4Network"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_python_type_becomes_a_nix_type(annotation: Any, expression: str) -> None:
    assert option_type(annotation) == expression


@pytest.mark.parametrize("annotation", [bytes, Annotated[str, Field(pattern=r"\d+")]], ids=["bytes", "pattern"])
def test_a_type_without_a_counterpart_is_reported_with_the_remedy(annotation: Any) -> None:
    with pytest.raises(TypeError, match="annotate the setting with NixOption"):
        option_type(annotation)


def test_the_settings_that_nixos_reads_are_listed() -> None:
    """An assertion of the module compares those in `settings` with their options."""
    names = set(re.findall(r'^  "([\w.]+)"$', (MODULES / "options/host.nix").read_text(encoding="utf-8"), re.MULTILINE))
    text = "".join(
        file.read_text(encoding="utf-8")
        for file in MODULES.rglob("*.nix")
        if file.name not in {"assertions.nix", "generated.nix"}
    )
    paths = {tuple(word.split(".")) for word in re.findall(r"\bcfg\.([\w.]+)", text)}
    found = {".".join(path) for path in _settings(Settings) for word in paths if word[: len(path)] == path}
    assert found == names


def _settings(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the settings that have an option."""
    for name, field in model.model_fields.items():
        path = (*above, field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, path)
        elif has_option(field):
            yield path


def test_values_are_written_as_nix() -> None:
    value = {"a": [1, 2.0, 0.5, None, True], "b.c": "${x}"}
    assert write_nix(value) == r'{ a = [ 1 2 0.5 null true ]; "b.c" = "\${x}"; }'
