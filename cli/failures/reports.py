"""Quarantine reports in the failures bucket."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import batched
from typing import Any, Self

from botocore.exceptions import ClientError
from msgspec import Struct

from cli.errors import CommandError
from cli.failures.batches import list_keys
from tailrace.encoding.digests import item_digest
from tailrace.encoding.json_types import Row
from tailrace.encoding.keys import item_key
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage
from tailrace.inputs.received_items import stamp_of

PREFIX = "quarantine/"
_THREADS = 16
_READ_AHEAD = 64
_MAX_DIGITS = 100  # of a number that a report may have


class Report(Struct, frozen=True):
    """A report: its key, its name (the key's last part) and its content."""

    key: str
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name that commands accept."""
        return self.key.rpartition("/")[2].removesuffix(".json")

    @property
    def entrance(self) -> str:
        """How the item came in: stream, queue or file."""
        return str(self.content.get("entrance"))

    @property
    def item_key(self) -> str | None:
        """Collection and id, joined with ``#``; None if the report does not name the item."""
        return None if self.address is None else item_key(*self.address)

    @property
    def address(self) -> tuple[str, str] | None:
        """The item's collection and id; None if the report does not name the item."""
        collection, item_id = self.content.get("collection"), self.content.get("id")
        return (collection, item_id) if isinstance(collection, str) and isinstance(item_id, str) else None

    @property
    def row(self) -> tuple[Row, Row] | None:
        """Key and attributes of a row of the stream that was not an item; None if the report has no such row."""
        item = self.content.get("item")
        body = item.get("dynamodb") if isinstance(item, dict) and self.address is None else None
        if self.entrance != "stream" or not isinstance(body, dict):
            return None
        key, image = body.get("Keys"), body.get("NewImage")
        return (key, image) if isinstance(key, dict) and isinstance(image, dict) else None

    @property
    def digest(self) -> str:
        """A digest of the item, or of the row that was not an item; empty if the report has neither."""
        item = self.content.get("item")
        return item_digest(item if self.row is None else self.row[1]) if isinstance(item, dict) else ""

    @property
    def reasons(self) -> Sequence[str]:
        """The violations, each with its place in the item."""
        violations = self.content.get("violations")
        known = [one for one in violations if isinstance(one, dict)] if isinstance(violations, list) else []
        return [f"{one.get('pointer', '')} {one.get('message', '')}".strip() for one in known]

    @property
    def origin(self) -> Mapping[str, Any]:
        """Where the item came from; empty if the report does not say it."""
        origin = self.content.get("origin")
        return origin if isinstance(origin, dict) else {}

    @property
    def order(self) -> tuple[str, int]:
        """When the item was refused: its time, and its place among those of that time.

        That is the sequence number of a change or a message, or the number of a line.
        """
        place = str(self.content.get("sequence", self.origin.get("line")))
        return str(self.content.get("time", "")), int(place) if place.isdecimal() and len(place) <= _MAX_DIGITS else 0

    @property
    def came_in_ms(self) -> int | None:
        """When the item came in, in milliseconds since 1970; None if the report does not have a time since then."""
        try:
            at = datetime.fromisoformat(str(self.content.get("time"))).timestamp()
        except (ValueError, OverflowError):
            return None
        return round(at * 1000) if at >= 0 else None

    @property
    def stamp(self) -> str | None:
        """The time at which the item came in; None if the report has none that can be read."""
        return None if self.came_in_ms is None else stamp_of(self.came_in_ms)

    @property
    def refusing_routes(self) -> list[str] | None:
        """The routes that refused the item; None if it was refused as a whole, or the report does not say it."""
        routes = self.content.get("failed_routes") or []
        if self.content.get("refused") is not False or not isinstance(routes, list):
            return None
        return routes


class Entry(Struct, frozen=True):
    """The part of a report that is held in memory while all are sorted: its key, order, item key and digest."""

    key: str
    order: tuple[str, int]
    item_key: str | None
    digest: str
    is_stored: bool

    @property
    def has_item(self) -> bool:
        """Whether the report has an item with a key, rather than a row that is not an item."""
        return self.item_key is not None and bool(self.digest)

    @classmethod
    def of(cls, report: Report) -> Self:
        """Return the entry of a report."""
        row = report.row
        key = report.item_key if row is None else json.dumps(row[0], sort_keys=True)
        return cls(report.key, report.order, key, report.digest, report.entrance == "stream")


class ReportStore(Struct, frozen=True):
    """The reports of a stack."""

    s3: Any
    bucket: str

    def list_keys(self, collection: str | None = None) -> Iterator[str]:
        """Yield the keys of reports, by collection and date."""
        return list_keys(self.s3, self.bucket, f"{PREFIX}{collection}/" if collection else PREFIX)

    def collections(self) -> list[str]:
        """Return the collections that have reports."""
        return sorted({key.removeprefix(PREFIX).partition("/")[0] for key in self.list_keys()})

    def read_all(self, keys: Iterable[str]) -> Iterator[Report]:
        """Yield the reports with these keys, in order; those that are gone meanwhile are left out."""
        with ThreadPoolExecutor(_THREADS) as pool:
            for some in batched(keys, _READ_AHEAD, strict=False):
                yield from (report for report in pool.map(self._read, some) if report is not None)

    def find(self, names: Sequence[str]) -> list[str]:
        """Return the keys of the reports with these names or keys.

        Raises:
            CommandError: there is no such report.
        """
        by_name = {Report(key, {}).name: key for key in self.list_keys()}
        found = [name if name in by_name.values() else by_name.get(name) for name in names]
        missing = [name for name, key in zip(names, found, strict=True) if key is None]
        if missing:
            raise CommandError(f"There is no quarantine report {missing[0]!r}: `tailrace quarantine list` lists them.")
        return [key for key in found if key is not None]

    def delete(self, key: str) -> None:
        """Delete a report; the bucket retains its versions for a month."""
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def _read(self, key: str) -> Report | None:
        try:
            content = loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        except InvalidMessage:
            content = {}
        return Report(key, content if isinstance(content, dict) else {})
