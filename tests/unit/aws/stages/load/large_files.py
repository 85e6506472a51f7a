"""Files of every form that take several invocations, and what a single invocation makes of them."""

import gzip
import json
from typing import Any

from tests.unit.aws.stages.load.inbox import Inbox

GOOD = {"shop": "a", "placed": "2024-10-27"}
SEEDS = range(25)


def items(count: int) -> list[dict[str, Any]]:
    """Return items, some of them bad, many with an id that comes again with another value."""
    found = []
    for n in range(count):
        item: dict[str, Any] = GOOD | {"id": str(n * 7 % 11), "lines": n, "notes": {"n": "x" * (n % 5)}}
        found.append(item | {"lines": "no number"} if n % 9 == 4 else item)
    return found


def rows(count: int) -> str:
    return "".join(f'{one["id"]},"a\n{n}""",2024-10-27,{one["lines"]}\n' for n, one in enumerate(items(count)))


LINES = "".join(json.dumps(one) + "\n" for one in items(30)).encode()
TABLE = ("id,shop,placed,lines\n" + rows(25) + 'x,"open\ny,b,2024-10-27,1\n' + "z,too,few\n").encode()

FILES: dict[str, tuple[str, bytes]] = {
    "lines": ("orders/x.jsonl", LINES),
    "lines without an end": ("orders/x.jsonl", b"\xef\xbb\xbf" + LINES + b"\n\n" + LINES[:-30]),
    "lines that end with CR": ("orders/x.jsonl", LINES.replace(b"\n", b"\r")),
    "lines that end with CRLF": ("orders/x.jsonl", LINES.replace(b"\n", b"\r\n")),
    "lines, compressed": ("orders/x.jsonl.gz", gzip.compress(LINES[:700]) + gzip.compress(LINES[700:])),
    "half of the compressed lines": ("orders/x.jsonl.gz", gzip.compress(LINES, 0)[:-500]),
    "a damaged checksum": ("orders/x.jsonl.gz", gzip.compress(LINES)[:-8] + b"\0" * 8),
    "a table": ("orders/x.csv", TABLE),
    "a table of semicolons": ("orders/x.csv", TABLE.replace(b",", b";")),
    "a table, compressed": ("orders/x.csv.gz", gzip.compress(TABLE)),
    "an array": ("orders/x.json", json.dumps(items(30), indent=1).encode()),
    "half an array": ("orders/x.json", json.dumps(items(30), indent=1).encode()[:-300]),
    "an array and more": ("orders/x.json", json.dumps(items(9)).encode() + b"[]"),
    "no collection": ("nothing/x.jsonl", LINES),
    "no items": ("orders/x.jsonl", b"\n" * 30),
    "no header": ("orders/x.csv", b""),
}


def at_once(name: str) -> Inbox:
    """Load a file in one invocation."""
    inbox = Inbox()
    inbox.upload(*FILES[name])
    inbox.run()
    assert inbox.invocations == 1
    return inbox


def assert_same(inbox: Inbox, expected: Inbox, name: str) -> None:
    file = FILES[name][0]
    assert inbox.receipt(file) == expected.receipt(file)
    assert inbox.items == expected.items
    assert inbox.stored("failures", "") == expected.stored("failures", "")
