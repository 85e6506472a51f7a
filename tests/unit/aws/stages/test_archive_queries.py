"""DuckDB reads the archive as it lies, and the queries of the documentation say what they promise."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from functions.archive.app import handler
from tailrace.encoding.tagged_json import loads
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.archive_messages import NEXT_HOUR, batch
from tests.unit.outputs.events import event

DONE: dict[str, Any] = {"batchItemFailures": []}

DEEP: Any = {"level": 31}
for _ in range(30):
    DEEP = {"in": DEEP}

ITEMS: list[Any] = [
    {"amount": Decimal("0.1"), "digits": 12345678901234567890123456789012345678},
    {"tags": {"#", "~", "é"}, "numbers": {1, Decimal("2.5")}, "raw": b"\x00\xff", "raws": {b"a", b"b"}},
    {"deep": DEEP, "list": [1, "a", None, {"b": [True]}], "": "no name"},
    {"amount": "a text where there was a number", "nul": "a\x00b", "line": "a\nb\u2028c", "€": "\U0001f6eb"},
    {"~set": [1]},
    {},
]


def test_duckdb_reads_the_archive_as_it_lies(cloud: Cloud, tmp_path: Path) -> None:
    events = [event(number, new=item) for number, item in enumerate(ITEMS)]
    late = event(50, type="tailrace.visits.inserted", time=NEXT_HOUR)
    assert handler(batch(events[:3], [*events[3:], late]), None) == DONE
    for key, body in cloud.objects("the-archive", "archive/").items():
        (tmp_path / key).parent.mkdir(parents=True)
        (tmp_path / key).write_bytes(body)
    # S608 below: the texts in these queries are the test's own
    files = f"read_json('{tmp_path}/archive/**/*.jsonl.gz', hive_partitioning = true)"
    with duckdb.connect() as database:
        counts = database.sql(
            f"SELECT type, date::VARCHAR, hour, count(DISTINCT id) FROM {files} GROUP BY ALL ORDER BY ALL"  # noqa: S608
        )
        assert counts.fetchall() == [
            ("tailrace.orders.inserted", "2024-10-27", "00", len(ITEMS)),
            ("tailrace.visits.inserted", "2024-10-27", "01", 1),
        ]
        sequences = database.sql(f"SELECT max(data.sequence::UBIGINT), any_value(data.shard) FROM {files}").fetchall()  # noqa: S608
        assert sequences == [(50, "s1")]
        exact = files.replace("true)", "true, columns = {'id': 'VARCHAR', 'type': 'VARCHAR', 'data': 'JSON'})")
        rows = database.sql(f"SELECT id, data->'new' FROM {exact} WHERE type LIKE 'tailrace.orders.%'").fetchall()  # noqa: S608
    # every digit, set and byte comes back from what DuckDB hands out
    assert {name: loads(text) for name, text in rows} == {f"e{number}": item for number, item in enumerate(ITEMS)}


def test_the_queries_on_the_page_about_dashboards_tell_the_items_from_their_changes(
    cloud: Cloud, tmp_path: Path
) -> None:
    first = event(1, new={"amount": 1}, subject="1")
    other = event(2, new={"amount": 5}, subject="2")
    second = event(10, new={"amount": Decimal("2.50")}, subject="1", type="tailrace.orders.modified")
    for events in ([first, other, second], [second, first]):  # a second delivery, cut otherwise
        assert handler(batch(events), None) == DONE
    for key, body in cloud.objects("the-archive", "archive/").items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(body)
    page = (Path(__file__).parents[4] / "docs" / "dashboards.md").read_text()
    by_day, last = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with duckdb.connect() as database:
        counted = database.sql(by_day.replace("$archive", f"{tmp_path}/archive")).fetchall()
        items = database.sql(last.replace("$archive", f"{tmp_path}/archive")).fetchall()
    assert [(str(day), kind, number) for day, kind, number in counted] == [
        ("2024-10-27", "tailrace.orders.inserted", 2),
        ("2024-10-27", "tailrace.orders.modified", 1),
    ]
    assert items == [("1", '{"amount":2.5}'), ("2", '{"amount":5}')]
