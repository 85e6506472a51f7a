"""A trial finds what depends on more than the item: a clock, randomness, what came before, the process, variables."""

from collections.abc import Callable

import pytest

from cli.test.worker import Surroundings
from tests.unit.cli.test.definitions import QUICK, tried

IMPURE = {
    "the time": ("def transform(order): return order | {'at': time.time()}", "unstable", "randomness, a clock"),
    "now": ("def transform(order): return order | {'at': str(datetime.now())}", "unstable", "randomness, a clock"),
    "the date": ("def transform(order): return order | {'at': str(date.today())}", "depends", "the clock"),
    "the year": ("def transform(order): return order | {'at': datetime.now().year}", "depends", "the clock"),
    "the hour": ("def transform(order): return order | {'at': time.gmtime().tm_hour}", "depends", "the clock"),
    "random": ("def transform(order): return order | {'at': random.random()}", "unstable", "randomness"),
    "rarely random": ("def where(order): return random.random() < 0.05", "unstable", "randomness"),
    "the machine's time zone": (
        "def transform(order): return order | {'at': str(datetime.fromtimestamp(order['amount']))}",
        "depends",
        "the time zone",
    ),
    "the order of a set": (
        "def transform(order): return order | {'all': '-'.join({'x', 'y', 'z', order['shop']})}",
        "depends",
        "the order of sets",
    ),
    "hash()": ("def where(order): return hash(order['shop']) % 2 == 0", "depends", "the order of sets, or hash()"),
    "the process": ("def transform(order): return order | {'at': os.getpid()}", "depends", "other than the item"),
    "the folder": ("def transform(order): return order | {'at': os.getcwd()}", "depends", "other than the item"),
    "a variable that is not set": (
        "RATE = int(os.getenv('RATE_OF_MINE', '2'))\ndef transform(order): return order | {'at': RATE}",
        "depends",
        "environment variables",
    ),
    "a counter": (
        "seen = []\ndef transform(order):\n    seen.append(1)\n    return order | {'at': len(seen)}",
        "unstable",
        "something that it remembers",
    ),
    "what came before": (
        "seen = set()\ndef where(order): return order['shop'] in seen or bool(seen.add(order['shop']))",
        "unstable",
        "something that it remembers",
    ),
    "a cache with the wrong key": (
        "known = {}\ndef transform(order): return order | {'at': known.setdefault(order['shop'], order['amount'])}",
        "depends",
        "something other than the item: items that came before",
    ),
    "the order of fields": (
        "def transform(order): return order | {'all': ','.join(order)}",
        "order",
        "depends on the order of the item's fields",
    ),
    "the order of nested fields": (
        "def where(order): return next(iter(order.get('address', {})), '') == 'zip'",
        "order",
        "depends on the order of the item's fields",
    ),
    "a default argument": (
        "def transform(order, all=[]):\n    all.append(order['shop'])\n    return order | {'all': len(all)}",
        "unstable",
        "something that it remembers",
    ),
    "a nested default that is changed": (
        "DEFAULT = {'n': [0]}\ndef transform(order): return order | {'d': DEFAULT['n'].append(1) or len(DEFAULT['n'])}",
        "unstable",
        "something that it remembers",
    ),
    "a predicate that changes a list": (
        "def where(order):\n    order.setdefault('tags', []).append('seen')\n    return True",
        "modifies",
        "modifies the item",
    ),
    "a predicate that changes a nested list": (
        "def where(order):\n    order.get('tags', []).sort()\n    return True",
        "modifies",
        "modifies the item",
    ),
}


@pytest.mark.parametrize("fault", IMPURE)
def test_what_depends_on_more_than_the_item_is_found(fault: str, written: Callable[[str], str]) -> None:
    text, law, told = IMPURE[fault]
    (broken,) = tried(written(text), QUICK).errors
    assert (broken.problem.law, told in broken.problem.text) == (law, True), broken
    assert "mine/definition.py:" in broken.problem.where


def test_a_variable_that_a_definition_names_is_missing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "test")
    monkeypatch.delenv("RATE", raising=False)
    variables = Surroundings(turned=frozenset(["STAGE", "RATE", "TZ"])).variables()
    assert ("STAGE" in variables, "RATE" in variables, variables["TZ"]) == (False, True, "UTC")


def test_a_made_up_variable_that_a_definition_refuses_does_not_break_it(
    written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEVEL_OF_MINE", raising=False)
    text = "import logging\nlogging.getLogger('mine').setLevel(os.environ.get('LEVEL_OF_MINE', 'INFO'))\n"
    assert tried(written(text), QUICK).errors == []


def test_another_process_that_ends_is_told(written: Callable[[str], str]) -> None:
    """Such as one that needs too much memory."""
    ends = "os.environ['PYTHONHASHSEED'] == '4242'"  # only in the other process
    reference = written(f"def where(order): return {ends} and os._exit(3)")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONHASHSEED", "0")
        (broken,) = tried(reference, QUICK).errors
    assert broken.problem.text == "ends another process that evaluates the same items, or cannot be evaluated there"


def test_another_process_has_no_input_that_code_could_wait_for(written: Callable[[str], str]) -> None:
    """Such as a forgotten breakpoint, which would take the items that the process is asked for."""
    elsewhere = "os.environ['PYTHONHASHSEED'] == '4242'"
    text = f"import sys\ndef where(order): return {elsewhere} and sys.stdin.readline() != ''"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONHASHSEED", "0")
        assert tried(written(text), QUICK).errors == []


def test_a_function_without_a_source_is_tried_in_other_processes_as_well(written: Callable[[str], str]) -> None:
    trial = tried(written("exec(\"def transform(order): return order | {'at': os.getpid()}\")"))
    (broken,) = trial.errors
    assert broken.problem.text.startswith("gives another result in another process")
