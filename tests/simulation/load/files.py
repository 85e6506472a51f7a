"""Files of items in every form, and what a reader who knows how they were made expects of each line."""

import csv
import gzip
import io
import json
from random import Random
from typing import Any, Literal

from msgspec import Struct

type Kind = Literal["good", "broken", "invalid", "refused", "nameless", "blank"]

_KINDS: tuple[Kind, ...] = ("broken", "invalid", "refused", "nameless", "blank")
SUFFIXES = (".jsonl", ".csv", ".json", ".jsonl.gz", ".csv.gz", ".ndjson")
REFUSED = "refused by the table"
BASE = 1000
"""An item's value says which line of which upload has written it: the upload's number times this, and the line."""


class Entry(Struct, frozen=True):
    """A line as it was meant: its number in the file, the item's id, and what is wrong with it."""

    number: int
    id: str
    kind: Kind


class File(Struct, frozen=True):
    """The content of an upload, and what becomes of its lines."""

    body: bytes
    entries: tuple[Entry, ...]

    def outcome(self, through: int | None = None) -> tuple[int, tuple[int, ...]]:
        """Return how many lines are accepted, and the numbers of those that are not; up to a line, or of all."""
        counted = [one for one in self.entries if one.kind != "blank" and (through is None or one.number <= through)]
        return sum(one.kind == "good" for one in counted), tuple(one.number for one in counted if one.kind != "good")

    def last_lines(self) -> dict[str, int]:
        """Return each item's last line."""
        return {one.id: one.number for one in self.entries if one.kind == "good"}


def make_file(chance: Random, suffix: str, upload: int, ids: list[str]) -> File:
    """Make a file of up to 40 lines."""
    share = chance.choice((0, 0.1, 0.4))
    is_json, is_table = suffix == ".json", suffix.startswith(".csv")
    entries: list[Entry] = []
    lines: list[bytes] = [_row("id", "shop", "placed", "lines")] if is_table else []
    number = len(lines)
    for _ in range(chance.choice((1, 2, 4, 10, 25, 40))):
        number += 1
        kind: Kind = chance.choice(_KINDS) if chance.random() < share else "good"
        if kind == "blank" and is_json:
            kind = "broken"
        entry = Entry(number, chance.choice(ids), kind)
        text = _cells(entry, upload) if is_table else _object(entry, upload)
        entries.append(entry)
        lines.append(text)
        number += text.count(b"\n", 0, -1)  # a line break within a cell
    body = b"[" + b",".join(lines) + b"]" if is_json else b"".join(lines)
    return File(gzip.compress(body, mtime=0) if suffix.endswith(".gz") else body, tuple(entries))


def _item(entry: Entry, upload: int) -> dict[str, Any]:
    item: dict[str, Any] = {"id": entry.id, "shop": "a", "placed": "2024-10-27", "lines": upload * BASE + entry.number}
    match entry.kind:
        case "invalid":
            return item | {"placed": "x" * 50}
        case "refused":
            return item | {"shop": REFUSED}
        case "nameless":
            return {name: value for name, value in item.items() if name != "id"}
        case _:
            return item


def _object(entry: Entry, upload: int) -> bytes:
    match entry.kind:
        case "blank":
            return b"  \n"
        case "broken":
            return f"[{upload}]\n".encode()
        case _:
            return json.dumps(_item(entry, upload)).encode() + b"\n"


def _cells(entry: Entry, upload: int) -> bytes:
    match entry.kind:
        case "blank":
            return b",,,\n"
        case "broken":
            return _row(str(upload), "too", "few")
        case _:
            item = _item(entry, upload)
            shop = "a\nb" if entry.number % 5 == 0 and entry.kind == "good" else item["shop"]
            return _row(item.get("id", ""), shop, item["placed"], str(item["lines"]))


def _row(*cells: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
