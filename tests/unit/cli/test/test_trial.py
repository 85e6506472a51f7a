"""A trial finds what breaks a definition, with the smallest item and whose code it is."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.__main__ import main
from cli.test import histories
from cli.test.trial import Limits, lines
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import RowAccumulator
from tailrace.definition import item_keys
from tests.unit.cli.test import definitions
from tests.unit.cli.test.definitions import BEGINNING, QUICK, tried

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
    assert " passes: " in lines(trial)[-1]


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


def test_the_report_says_among_how_many_items_a_problem_was_counted(written: Callable[[str], str]) -> None:
    """Every item is tried for failures; all other laws take longer, and are tried for some of the items."""
    text = (
        "def transform(order):\n    if len(order['shop']) > 1:\n        raise ValueError('too long')\n"
        "    return order\ndef where(order): return 1 / order['amount'] > 0"
    )
    trial = tried(written(text), Limits(seconds=60, items=1500))
    (search,) = trial.searches
    assert (search.tried, search.compared) == (1500, 240)
    by_law = {broken.problem.law: search.counts[broken.problem.key] for broken in search.problems}
    assert 0 < by_law["refuses"] <= 240
    told = lines(trial)
    assert any(f"smallest of {by_law['refuses']} such items among 240 of 'orders': " in line for line in told)
    assert any(re.search(r"smallest of [\d,]+ such items? of 'orders': ", line) for line in told)
    assert "1,500 items of 'orders' (240 of them for all laws), 0 histories" in told[-1]


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
    monkeypatch.setattr(definitions, "END", KEYED % ("ORDER#{order}#LINE#{line}", "Line"))
    trial = tried(written(""), Limits(seconds=12, items=300))
    assert not trial.is_broken, lines(trial)
    assert trial.searches[0].pool[0].keys() >= {"customer", "order", "entity"}
    assert trial.histories > 5


def test_an_overlap_of_two_key_templates_is_found(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "END", KEYED % ("ORDER#{order+}", "Order"))
    assert main(["test", "--pipeline", written("")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("tailrace: BROKEN  mine.definition:pipeline cannot be imported: ")
    assert re.search(r"mine/definition.py, line [0-9]+: collections 'orders' and 'lines' overlap: both match", told)


def test_an_overlap_that_the_definition_does_not_show_is_found_by_items(
    written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "END", KEYED % ("ORDER#{order+}", "Order"))
    monkeypatch.setattr(item_keys, "_check_overlap", lambda *_: None)
    found = {one.problem.law: one.problem.text for one in tried(written(""), Limits(seconds=12, items=300)).errors}
    assert "both match this item" in found["overlap"]
