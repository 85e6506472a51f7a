"""`tailrace test` finds what breaks a definition, with the smallest item and whose code it is."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.__main__ import main
from cli.test import histories
from cli.test.generation.shrink import smallest
from cli.test.trial import Limits, Trial, lines
from cli.test.worker import Surroundings
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import RowAccumulator
from tailrace.definition import item_keys
from tailrace.definition.pipeline import load_pipeline

LIMITS = Limits(seconds=30, items=3000)
QUICK = Limits(seconds=30, items=200)

BEGINNING = """
import locale, os, random, time
from datetime import date, datetime
from tailrace import *

SCHEMA = {
    "type": "object",
    "required": ["shop", "amount"],
    "properties": {
        "shop": {"type": "string", "maxLength": 60},
        "amount": {"type": "integer", "minimum": 0, "maximum": 1000000},
        "placed": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}},
    },
    "additionalProperties": False,
}
transform = where = None
"""
END = """
orders = Collection("orders", schema=SCHEMA, transform=transform)
pipeline = Pipeline([orders], [
    Aggregate("shops", of=orders, by=[field("shop")], measures={"n": count(where=where), "sum": total("amount")}),
    Aggregate("days", of=orders, by=[day("placed")], measures={"most": maximum("amount"), "best": top("shop", 3)}),
])
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Write a definition into a module of its own; return its reference."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()

    def write(text: str) -> str:
        (tmp_path / "mine" / "definition.py").write_text(BEGINNING + text + END, encoding="utf-8")
        return "mine.definition:pipeline"

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]
    load_pipeline.cache_clear()


def tried(reference: str, limits: Limits = LIMITS) -> Trial:
    trial = Trial(load_pipeline(reference), limits)
    trial.run()
    return trial


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
    "the process": ("def transform(order): return order | {'at': os.getpid()}", "depends", "something beside the item"),
    "the folder": ("def transform(order): return order | {'at': os.getcwd()}", "depends", "something beside the item"),
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
        "something beside the item: items that came before",
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


SMALL = {"shop": "", "amount": 0}
FAILING: dict[str, tuple[str, str, Any]] = {
    "a value": ("def where(order): return 1 / (order['amount'] - 61_718) > 0", "ZeroDivisionError", {"amount": 61_718}),
    "one in 1000": ("def where(order): return 1 // (order['amount'] % 1000 - 7)", "ZeroDivisionError", {"amount": 7}),
    "a length": ("def where(order): return 'abc'[len(order['shop']) == 37 and 9]  != ''", "IndexError", None),
    "an exit": ("import sys\ndef where(order): return sys.exit(0)", "SystemExit: 0", SMALL),
    "a missing field": ("def where(order): return order['placed'] > ''", "KeyError: 'placed'", SMALL),
    "a nested field": ("def where(order): return order['address']['city'] > ''", "KeyError", SMALL),
    "a text": (
        "TABLE = {'gift': None}\ndef where(order): return TABLE.get(order['shop'], '') + '' == ''",
        "TypeError",
        {"shop": "gift", "amount": 0},
    ),
    "a combination": (
        "def where(order): return not (order['amount'] > 500 and order['shop'] == 'north') or 1 / 0",
        "ZeroDivisionError",
        {"shop": "north", "amount": 501},
    ),
    "a transform": ("def transform(order): return order | {'c': order['tags'][0]}", "KeyError: 'tags'", None),
    "no tags": ("def transform(order): return order | {'c': order.get('tags', 'a')[0]}", "IndexError", {"tags": []}),
    "no result": ("def transform(order): order['x'] = 1", "returned a NoneType, not a dict", None),
    "a value that no item holds": ("def transform(order): return order | {'at': date.max}", "of type date,", None),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAILING)
def test_what_fails_on_a_valid_item_is_found_with_the_smallest(fault: str, written: Callable[[str], str]) -> None:
    text, told, expected = FAILING[fault]
    (broken,) = tried(written(text)).errors
    assert broken.problem.law == "fails"
    assert told in broken.problem.text
    assert broken.item.items() >= (expected or {}).items()
    assert "mine/definition.py:" in broken.problem.where


ENUMS = """
from enum import Enum
class Tier(str, Enum): GOLD, LEAD = "gold", "lead"
class Rate(float, Enum): HALF = 617.5
SCHEMA["properties"]["shop"] = {"enum": list(Tier)}
SCHEMA["examples"] = [{"shop": Tier.GOLD, "amount": 1}]
def where(order): return order["shop"] == Tier.GOLD or order["amount"] > Rate.HALF
"""


@pytest.mark.parametrize("text", ["def where(order): return order['amount'] > 617", ENUMS])
def test_a_definition_without_fault_passes_and_says_what_it_tried(text: str, written: Callable[[str], str]) -> None:
    trial = tried(written(text), Limits(seconds=20, items=500))
    assert not trial.is_broken
    assert trial.searches[0].tried >= 500
    assert trial.histories > 10
    assert "keeps what it must" in lines(trial)[-1]


def test_a_pipeline_without_collections_has_nothing_to_try(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty_definition.py").write_text("from tailrace import *\npipeline = Pipeline([])", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["test", "--pipeline", "empty_definition:pipeline"]) == 0
    assert capsys.readouterr().out == "empty_definition:pipeline has no collections, so there is nothing to try.\n"


def test_items_and_a_history_are_tried_however_slow_the_machine_is(written: Callable[[str], str]) -> None:
    trial = tried(written(""), Limits(seconds=0, items=500))
    assert not trial.is_broken
    assert trial.searches[0].tried >= 500
    assert trial.histories == 1
    assert ", 1 history, seed 0." in lines(trial)[-1]


def test_a_value_error_of_a_transform_refuses_an_item(written: Callable[[str], str]) -> None:
    text = (
        "def transform(order):\n    if order['amount'] > 500:\n        raise ValueError('too dear')\n    return order"
    )
    trial = tried(written(text), QUICK)
    assert not trial.errors
    (note,) = [one for one in trial.searches[0].found.values() if one.problem.law == "refuses"]
    assert "too dear" in note.problem.text
    assert note.item == {"shop": "", "amount": 501}


def test_a_transform_that_refuses_everything_is_not_a_success(written: Callable[[str], str]) -> None:
    trial = tried(written("def transform(order):\n    raise ValueError('never')"), QUICK)
    assert "the transform of 'orders' refuses every generated item" in trial.findings.errors[0]


def test_a_modified_argument_of_a_transform_is_no_fault(written: Callable[[str], str]) -> None:
    """It is a copy, at any depth."""
    text = "def transform(order):\n    order.setdefault('tags', []).append('x')\n    return order"
    assert not tried(written(text), QUICK).is_broken


def test_items_that_no_measure_can_use_are_told(written: Callable[[str], str]) -> None:
    text = "def transform(order):\n    return order | {'amount': str(order['amount'])}"
    trial = tried(written(text), QUICK)
    assert any("cannot sum a value of type str" in one.problem.text for one in trial.searches[0].found.values())
    assert any(text.startswith("aggregate 'shops': no generated item of") for text in trial.findings.warnings)


@pytest.mark.parametrize("broken", ["retract", "merge"])
def test_histories_find_rows_that_do_not_agree(
    broken: str, written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = written("")
    if broken == "retract":
        original = RowAccumulator.add_delta

        def kept(self: Any, aggregate: Any, row_ref: Any, sequence: int, delta: Any) -> None:
            if delta.item_delta >= 0:
                original(self, aggregate, row_ref, sequence, delta)

        monkeypatch.setattr(RowAccumulator, "add_delta", kept)
    else:
        fold, parts = fold_records, list[Any]()

        def forgetful(records: Any, pipeline: Any) -> Any:
            parts.append(records)
            return fold(records[:-1] if len(parts) % 3 == 0 else records, pipeline)

        monkeypatch.setattr(histories, "fold_records", forgetful)
    trial = tried(reference, Limits(seconds=8, items=200))
    assert trial.different is not None
    assert trial.is_broken
    assert len(trial.different.writes) <= 4
    assert any(line.startswith("BROKEN  row ") for line in lines(trial))


LINES = """
SCHEMA["properties"]["tags"]["items"] = {"type": "string", "minLength": 1}
orders = Collection("orders", schema=SCHEMA)
pipeline = Pipeline([orders], [
    Aggregate("tags", of=orders, each="tags", by=[field("tags")], measures={"n": count(where=where)}),
])
"""


@pytest.mark.parametrize(
    ("where", "told"),
    [("order['tags'] != 'x'", ""), ("'abc'[3 * (len(order['tags']) > 2)] != ''", "IndexError")],
)
def test_a_predicate_of_elements_is_tried_on_elements(
    written: Callable[[str], str], tmp_path: Path, where: str, told: str
) -> None:
    reference = written("")
    text = f"{BEGINNING}\ndef where(order): return {where}\n{LINES}"
    (tmp_path / "mine" / "definition.py").write_text(text, encoding="utf-8")
    errors = tried(reference, QUICK).errors
    assert [told in broken.problem.text for broken in errors] == [True] * bool(told)


def test_the_same_seed_tries_the_same_items(written: Callable[[str], str]) -> None:
    reference = written("")
    pools = [tried(reference, Limits(seed, 30, 50)).searches[0].pool for seed in (1, 1, 2)]
    assert pools[0] == pools[1] != pools[2]


def test_the_command_prints_a_report_and_fails(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The report alone goes to standard output, whatever the definition prints."""
    reference = written("print('imported')\ndef where(order): return print('tried') or order['placed'] > ''")
    arguments = ["test", "--pipeline", reference, "--items", "100", "--seconds", "20"]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "BROKEN  where= of measure 'n' of aggregate 'shops', where (mine/definition.py:" in printed
    assert "KeyError: 'placed'" in printed
    assert '{"shop":"","amount":0}' in printed
    assert main([*arguments, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["collections"][0]["problems"][0]["law"] in ("fails", "uncounted")
    assert main(["test", "--pipeline", "mine.nowhere:pipeline"]) == 2


def test_the_smallest_item_is_as_small_as_single_steps_make_it() -> None:
    given = {"a": [{"b": "xyz", "c": 4711}, 2], "d": "q" * 50, "e": 1.5}
    found = smallest(given, lambda item: bool(item.get("a")) and "d" in item and len(item["d"]) >= 3)
    assert found["d"] in ("qqq", "aaa")
    assert len(found) == 2
    assert len(found["a"]) == 1


KEYED = """
orders = Collection(
    "orders", schema={"properties": {"total": {"type": "integer"}}}, match={"entity": "Order"},
    key={"PK": "CUSTOMER#{customer}", "SK": "ORDER#{order}"},
    transform=lambda item: item | {"both": item["customer"] + item["order"] + item["entity"]},
)
lines = Collection(
    "lines", schema={}, key={"PK": "CUSTOMER#{customer}", "SK": "%s"}, match={"entity": "%s"}, on_expiry="keep",
)
pipeline = Pipeline([orders, lines], [
    Aggregate("customers", of=orders, by=[field("both")], measures={"n": count(), "sum": total("total")}),
    Aggregate("lines", of=lines, by=[field("customer")], measures={"n": count()}),
])
"""


def test_items_of_a_table_with_its_own_keys_have_the_fields_of_their_key(
    written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "END", KEYED % ("ORDER#{order}#LINE#{line}", "Line"))
    trial = tried(written(""), Limits(seconds=12, items=300))
    assert not trial.is_broken, lines(trial)
    assert trial.searches[0].pool[0].keys() >= {"customer", "order", "entity"}
    assert trial.histories > 5


def test_an_overlap_of_two_key_templates_is_found(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "END", KEYED % ("ORDER#{order+}", "Order"))
    assert main(["test", "--pipeline", written("")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("tailrace: BROKEN  mine.definition:pipeline cannot be imported: ")
    assert re.search(r"mine/definition.py, line [0-9]+: collections 'orders' and 'lines' overlap: both match", told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("int('x')", "line 19: ValueError: invalid literal"),
        ("os.nothing", "line 19: AttributeError: module 'os' has no attribute 'nothing'"),
        ("import nowhere", "line 19: ModuleNotFoundError: No module named 'nowhere'"),
        ("from os import nothing", "line 19: ImportError: cannot import name 'nothing'"),
        ("field('')", "line 19: "),
        ("raise SystemExit(3)", "line 19: SystemExit: 3"),
    ],
)
def test_an_error_on_import_is_told_with_its_line(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    assert main(["test", "--pipeline", written(text)]) == 1
    assert f"mine/definition.py, {told}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("foo:bar", "there is no pipeline 'foo:bar': No module named 'foo'"),
        ("mine.foo:bar", "there is no pipeline 'mine.foo:bar': No module named 'mine.foo'"),
        ("mine.definition:bar", "there is no pipeline 'mine.definition:bar': module 'mine.definition' has no attr"),
        ("mine.definition:orders", "'mine.definition:orders' is a Collection, not a Pipeline"),
        ("mine", "a pipeline must be module:attribute, such as pipeline.definition:pipeline, not 'mine'"),
    ],
)
def test_a_wrong_name_of_a_pipeline_is_status_2(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], reference: str, told: str
) -> None:
    written("")
    assert main(["test", "--pipeline", reference]) == 2
    assert capsys.readouterr().err.startswith(f"tailrace: {told}")


def test_an_overlap_that_the_definition_does_not_show_is_found_by_items(
    written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "END", KEYED % ("ORDER#{order+}", "Order"))
    monkeypatch.setattr(item_keys, "_check_overlap", lambda *_: None)
    found = {one.problem.law: one.problem.text for one in tried(written(""), Limits(seconds=12, items=300)).errors}
    assert "both match this item" in found["overlap"]


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


def test_a_function_without_a_source_is_tried_in_other_processes_as_well(written: Callable[[str], str]) -> None:
    trial = tried(written("exec(\"def transform(order): return order | {'at': os.getpid()}\")"))
    (broken,) = trial.errors
    assert broken.problem.text.startswith("gives another result in another process")
