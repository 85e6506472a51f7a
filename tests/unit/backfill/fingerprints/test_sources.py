"""A function's description follows what the function does, through its package, and nothing else."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tailrace.backfill.fingerprints.sources import describe_function

ROOT = Path(__file__).parents[4]
LAYER = ROOT / "layers" / "tailrace"

RULES = '''
"""Rules."""
import enum
import functools
import re
from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple

import made.helpers
from made import helpers
from made.helpers import checked, halve as half

RATES = {"EUR": 100, "USD": 90}
rate_of = RATES.get
is_code = re.compile("[A-Z]{3}").match
Pair = namedtuple("Pair", "low high")

class Kind(enum.Enum):
    SOLD = "sold"
    GIVEN = helpers.GIFT

class Point(NamedTuple):
    x: int
    y: int = 5

@dataclass(frozen=True, slots=True)
class Limit:
    most: int = 7
    def holds(self, item):
        """Tell whether."""
        return item["n"] < self.most and helpers.holds(item)

class Strict(helpers.Loose):
    step = helpers.STEP
    @property
    def size(self):
        return helpers.size()

LIMIT = Limit(9)

class Renamer:
    def __init__(self, names):
        self.names = names
    def __call__(self, item):
        return {self.names.get(name, name): value for name, value in item.items()}

@functools.cache
def cached(text):
    return text.upper()

@checked
def decorated(item):
    return inner(item)

def inner(item):
    return item["inner"] == 1

def by_module(item):
    return helpers.halve(item["n"])

def by_dotted(item):
    return made.helpers.halve(item["n"])

def by_name(item):
    return half(item["n"])

def by_local(item):
    from made.helpers import halve
    return halve(item["n"])

def by_relative(item):
    from . import helpers as h
    return h.halve(item["n"])

def by_cached(item):
    return cached(item["n"])

def by_decorated(item):
    return decorated(item)

def by_bound(item):
    return rate_of(item["n"]) and is_code(item["n"])

def by_kind(item):
    return item["kind"] == Kind.GIVEN.value

def by_point(item):
    return Point(1), Pair(1, 2)

def by_limit(item):
    return LIMIT.holds(item)

def by_strict(item):
    return Strict()

def scaled(item, by):
    return item["n"] * by

by_partial = functools.partial(scaled, by=3)
by_renamer = Renamer({"a": "b"})
by_lambda = lambda item: item["n"] > 1
by_other = lambda item: item["n"] > 2
both = lambda item: by_lambda(item) and by_other(item)
'''
HELPERS = """
import functools
from pathlib import Path

GIFT = "gift"
STEP = 4
HERE = Path(__file__).parent / "rates.csv"

def halve(number):
    return number / 2

def holds(item):
    return item["ok"]

def size():
    return 11

class Loose:
    def loose(self):
        return 12

def checked(function):
    @functools.wraps(function)
    def wrapper(item):
        return item.get("checked") and function(item)
    return wrapper

def by_path(item):
    return HERE.read_text()
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Return a loader of the package with a change, in a folder of its own."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "made"]:
            del sys.modules[name]

    def loaded(old: str = "", new: str = "", *, module: str = "rules") -> Any:
        forget()
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "made"
        folder.mkdir(parents=True)
        assert old in RULES + HELPERS
        (folder / "__init__.py").write_text("")
        (folder / "rules.py").write_text(RULES.replace(old, new) if old else RULES)
        (folder / "helpers.py").write_text(HELPERS.replace(old, new) if old else HELPERS)
        monkeypatch.syspath_prepend(str(folder.parent))
        return importlib.import_module(f"made.{module}")

    yield loaded
    forget()


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("by_module", "number / 2", "number / 3"),
        ("by_dotted", "number / 2", "number / 3"),
        ("by_name", "number / 2", "number / 3"),
        ("by_local", "number / 2", "number / 3"),
        ("by_relative", "number / 2", "number / 3"),
        ("by_cached", "text.upper()", "text.lower()"),
        ("by_decorated", 'item.get("checked")', 'item.get("trusted")'),
        ("by_decorated", '["inner"] == 1', '["inner"] == 2'),
        ("by_bound", '"USD": 90', '"USD": 91'),
        ("by_bound", "[A-Z]{3}", "[A-Z]{4}"),
        ("by_bound", "[A-Z]{3}", "[A-Z]{3}" + "|" * 300),
        ("by_kind", 'GIFT = "gift"', 'GIFT = "free"'),
        ("by_point", "y: int = 5", "y: int = 6"),
        ("by_point", '"low high"', '"high low"'),
        ("by_limit", "Limit(9)", "Limit(8)"),
        ("by_limit", '["n"] < self', '["n"] <= self'),
        ("by_limit", 'item["ok"]', 'item["okay"]'),
        ("by_strict", "return 12", "return 13"),
        ("by_strict", "STEP = 4", "STEP = 5"),
        ("by_strict", "return 11", "return 10"),
        ("by_partial", '["n"] * by', '["m"] * by'),
        ("by_partial", "by=3", "by=4"),
        ("by_renamer", '{"a": "b"}', '{"a": "c"}'),
        ("by_renamer", "get(name, name)", "get(name)"),
        ("by_lambda", "> 1", "> 3"),
        ("both", "> 2", "> 3"),
    ],
)
def test_what_a_function_does_is_in_its_description(
    load: Callable[..., Any], function: str, old: str, new: str
) -> None:
    before = describe_function(getattr(load(), function))
    assert describe_function(getattr(load(), function)) == before
    assert describe_function(getattr(load(old, new), function)) != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("by_lambda = lambda", "# a comment\n\nby_lambda = lambda"),
        ("LIMIT = Limit(9)", 'LIMIT = Limit(9)\n"""The limit."""'),
        ('        """Tell whether."""\n', ""),
        ('item["n"] < self.most', 'item["n"]   <   self.most'),
        ('"EUR": 100, "USD": 90', '"USD": 90, "EUR": 100'),
    ],
)
def test_what_it_does_not_depend_on_is_not(load: Callable[..., Any], old: str, new: str) -> None:
    for function in ("both", "by_limit", "by_lambda", "by_bound"):
        before = describe_function(getattr(load(), function))
        assert describe_function(getattr(load(old, new), function)) == before


def test_the_package_may_lie_anywhere(load: Callable[..., Any]) -> None:
    first, second = (describe_function(load(module="helpers").by_path) for _ in range(2))
    assert first == second
    assert "<package>/rates.csv" in "".join(first.values())


def test_functions_of_libraries_are_named_and_not_followed() -> None:
    assert describe_function(bool) == {"function": "builtins.bool"}
    assert "copy.deepcopy" in describe_function(importlib.import_module("copy").deepcopy).values()


def test_every_process_says_the_same() -> None:
    """Strings hash differently in each."""
    program = (
        "from pipeline.definition import pipeline\nfrom tailrace.backfill.fingerprints.meaning import fingerprint\n"
        "print([fingerprint(aggregate) for aggregate in pipeline.aggregates])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": str(LAYER), "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert len(said) == 1
