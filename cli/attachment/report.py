"""What a check of a table found, as findings and as lines."""

from collections.abc import Iterator
from dataclasses import dataclass

from cli.attachment.tally import CollectionTally, Reasons, Tally
from cli.console import counted
from tailrace.attachment.facts import Finding
from tailrace.encoding.json_types import Json

_MAX_REASONS = 5


@dataclass(frozen=True, slots=True)
class Report:
    """A check of a table.

    Attributes:
        table: its name.
        region: where it is.
        parameters: what to deploy a stack with.
        findings: what is wrong with it, and what to know about it.
        tally: the sampled items; None without a sample.
        is_known: whether everything could be looked at.
    """

    table: str
    region: str
    parameters: dict[str, str]
    findings: list[Finding]
    tally: Tally | None
    is_known: bool = True

    @property
    def fits(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.is_error for finding in self.findings)

    def lines(self) -> Iterator[str]:
        """Yield the report for people."""
        if self.tally is not None:
            yield f"sample  {counted(self.tally.items, 'item')} of table {self.table!r}"
            for name, one in self.tally.collections.items():
                invalid = f", {one.invalid.items:,} of them invalid" if one.invalid.items else ""
                yield f"        {name}: {counted(one.items, 'item')}{invalid}"
            yield f"        no collection: {counted(self.tally.unmatched.items, 'item')}"
        for text, is_error in sorted(self.findings, key=lambda finding: not finding.is_error):
            yield f"{'BROKEN' if is_error else 'note  '}  {text}"
        where = f"table {self.table!r} in {self.region}"
        if not self.is_known:
            yield f"It is not known whether a stack can be attached to {where}."
            return
        if not self.fits:
            yield f"A stack cannot be attached to {where} as it is."
            return
        chosen = " ".join(f"{name}={value}" for name, value in self.parameters.items())
        yield f"A stack can be attached to {where}: deploy it with {chosen}"

    def as_json(self) -> Json:
        """Return the report for programs."""
        return {
            "table": self.table,
            "region": self.region,
            "fits": self.fits,
            "parameters": self.parameters,
            "errors": [finding.text for finding in self.findings if finding.is_error],
            "warnings": [finding.text for finding in self.findings if not finding.is_error],
            "sample": None if self.tally is None else _tally_as_json(self.tally),
        }


def findings_of(tally: Tally) -> Iterator[Finding]:
    """Yield what is wrong with sampled items, and what to know about them."""
    for reason in tally.unreadable.most_frequent[:_MAX_REASONS]:
        yield Finding(
            f"{counted(reason.items, 'sampled item')} cannot be read and would go to quarantine, such as {reason.key}: "
            f"{reason.text}."
        )
    if (count := tally.unmatched.items) and tally.unmatched.most_frequent:
        such = (
            f"{counted(count, 'sampled item')} matched by no collection, such as {tally.unmatched.most_frequent[0].key}"
        )
        if count == tally.items:
            yield Finding(f"{such}, and there are no others: compare key= and match= with these items.")
        elif tally.is_strict:
            yield Finding(f"{such}, would go to quarantine: describe them, or set strict=False in the pipeline.")
        else:
            yield Finding(f"{such}, are left alone.", is_error=False)
    for one in tally.collections.values():
        yield from _findings_of_collection(one, has_items=tally.unmatched.items < tally.items)


def _findings_of_collection(tally: CollectionTally, *, has_items: bool) -> Iterator[Finding]:
    name = tally.collection.name
    if not tally.items and has_items:
        yield Finding(
            f"No sampled item is of {name!r}: take a larger --sample, or compare its key= and match= with the table's "
            "items.",
            is_error=False,
        )
    yield from _because(tally.invalid, tally.items, f"of {name!r} are invalid and would go to quarantine")
    for aggregate, reasons in tally.uncounted.items():
        yield from _because(reasons, tally.valid, f"of {name!r} cannot be counted in aggregate {aggregate!r}")
    for route, reasons in tally.failing_routes.items():
        yield from _because(reasons, tally.valid, f"of {name!r} make the predicate of route {route!r} fail")
    for aggregate, items in tally.in_rows.items():
        if tally.valid and not items and aggregate not in tally.uncounted:
            yield Finding(
                f"Aggregate {aggregate!r} has no row of {counted(tally.valid, 'valid item')} of {name!r}: a field that "
                "it groups by is missing in all of them.",
                is_error=False,
            )


def _because(reasons: Reasons, items: int, what: str) -> Iterator[Finding]:
    for reason in reasons.most_frequent[:_MAX_REASONS]:
        yield Finding(f"{reason.items:,} of {counted(items, 'item')} {what}, such as {reason.key}: {reason.text}.")
    if (more := len(reasons.found) - _MAX_REASONS) > 0:
        yield Finding(f"{counted(more, 'other reason')} why items {what}: mend these first.")


def _tally_as_json(tally: Tally) -> Json:
    return {
        "items": tally.items,
        "unmatched": tally.unmatched.items,
        "unreadable": tally.unreadable.items,
        "collections": [
            {
                "name": name,
                "items": one.items,
                "invalid": one.invalid.items,
                "in_rows": one.in_rows,
                "uncounted": {aggregate: reasons.items for aggregate, reasons in one.uncounted.items()},
            }
            for name, one in tally.collections.items()
        ],
    }
