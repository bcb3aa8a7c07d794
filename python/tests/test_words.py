"""Words: docstrings begin with an imperative verb, and no text uses a word for which the field has a better one."""

from __future__ import annotations

import ast
import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "python/src/classroom"
TEXTS = (
    ".py",
    ".md",
    ".nix",
    ".html",
    ".js",
    ".css",
    ".json",
    ".toml",
    ".conf",
    ".j2",
    ".sh",
    ".yaml",
    ".yml",
    ".ipynb",
)
FOLDERS = (".github", "docs", "modules", "nix", "python/src/classroom", "python/tests", "templates", "tests")

# The first word of a sentence that describes instead of telling what to do.
NOT_A_VERB = re.compile(
    r"(a|an|the|this|that|these|it|its|one|each|every|all|any|no|none|whether|what|who|whose|which|when|where|why|how|if"
    r"|for|from|in|of|as|to|true|false|\w+ing|\w*[^s\W]s)$",
    re.IGNORECASE,
)

BETTER = {
    r"anew": "again",
    r"beside": "next to, or in addition to",
    r"ails?": "is wrong with",
    r"mend(s|ed|ing)?": "fix",
    r"hand(s|ed|ing)? out": "give, allocate or distribute",
    r"for ever": "forever, or endlessly",
    r"(is|are|was|were) to be": "must be, or will be",
    r"to be had": "available",
    r"of (theirs|hers)": "their, her",
    r"astray": "to the wrong place",
    r"whence|hence|thereof|therein|naught|nought": "from where, so, of it, in it, nothing",
    r"(waits?|stands?|stood) in line|in line for a gpu": "in the queue",
    r"go(es)? to (its|their) turns?|out of turn": "in the order of the queue",
    r"who has [a-z ]+ (comes|is|gets)": "a sentence with a subject: students with ... come",
    r"nobody but": "only",
    r"whoever": "the user who",
    r"need (not|be)": "does not have to, or may be missing",
    r"by way of": "through",
    r"the pages say nothing|has been seen yet": "what is missing: no ... is set",
    r"was for one time|set password and go on|the old password ends|your present password|attackers try first"
    r"|what runs in it ends|gpus need you|be done by a link|look whether it arrived|nothing sets it by|may be anybody"
    r"|since when unchanged|the class works, and yet": "the text of the page or message today",
}

# A key that programs read keeps its name; a file that lists the words keeps the words.
KEYS = re.compile(r'"mend"')
LEFT_OUT = {
    Path(__file__).resolve(),
    *(ROOT / "python/tests/db").glob("stock.*"),
    ROOT / "docs/javascripts/iframe-worker.js",
}


def texts() -> list[Path]:
    """Return the project's files with text."""
    files = chain(ROOT.glob("*.md"), [ROOT / "Makefile"], *((ROOT / folder).rglob("*") for folder in FOLDERS))
    return sorted(file for file in files if file.suffix in (*TEXTS, "") and file.is_file() and file not in LEFT_OUT)


def public_docstrings(module: Path) -> list[tuple[str, str]]:
    """Return place and docstring of each public function of a module."""
    functions = (
        node
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return [
        (f"{module.relative_to(ROOT)}:{function.lineno} {function.name}", docstring)
        for function in functions
        if not function.name.startswith("_") or function.name.endswith("__")
        if (docstring := ast.get_docstring(function))
    ]


def test_docstrings_begin_with_an_imperative_verb() -> None:
    """Every public function says in its first word what it does."""
    docstrings = chain.from_iterable(public_docstrings(module) for module in SOURCE.rglob("*.py"))
    problems = [
        f"{place}: begin with an imperative verb, not {docstring.split(maxsplit=1)[0]!r}"
        for place, docstring in docstrings
        if NOT_A_VERB.match(docstring.split(maxsplit=1)[0].rstrip(",.:;"))
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("pattern", BETTER)
def test_texts_use_the_words_of_the_field(pattern: str) -> None:
    """The failure names the file, the line, the word, and what to write instead."""
    word = re.compile(rf"\b({pattern})\b", re.IGNORECASE)
    lines = ((file, number, line) for file in texts() for number, line in enumerate(file.read_text().splitlines(), 1))
    problems = [
        f"{file.relative_to(ROOT)}:{number}: {match[0]!r}; write {BETTER[pattern]!r}"
        for file, number, line in lines
        if (match := word.search(KEYS.sub("", line)))
    ]
    assert not problems, "\n".join(problems)


def test_the_rules_find_what_they_are_for() -> None:
    """The patterns match examples of old texts."""
    assert all(NOT_A_VERB.match(word) for word in ("Whether", "The", "Returns", "Serving"))
    assert not any(NOT_A_VERB.match(word) for word in ("Return", "Pass", "Yield", "Write"))
    assert re.search("|".join(BETTER), "Who has used GPUs least comes first", re.IGNORECASE)
