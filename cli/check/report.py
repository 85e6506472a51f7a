"""What a check of a table found, as findings and as lines."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from cli.check.tally import CollectionTally, Reasons, Tally
from cli.console import counted
from tailrace.attachment.facts import Finding
from tailrace.encoding.json_types import Json

_MAX_REASONS = 5


class Report(Struct, frozen=True):
    """A check of a table.

    Attributes:
        table: its name.
        region: where it is.
        parameters: what to deploy a stack with.
        findings: what is wrong with it, and what to know about it.
        sample_findings: the same for its items.
        tally: the sampled items; None without a sample.
        is_known: whether everything could be checked.
    """

    table: str
    region: str
    parameters: dict[str, str]
    findings: list[Finding]
    tally: Tally | None = None
    sample_findings: Sequence[Finding] = ()
    is_known: bool = True

    @property
    def fits(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.is_error for finding in self.all_findings)

    @property
    def all_findings(self) -> list[Finding]:
        """What is wrong with the table and its items, then what to know about them."""
        return sorted([*self.findings, *self.sample_findings], key=lambda finding: not finding.is_error)

    def lines(self) -> Iterator[str]:
        """Yield the report for people."""
        if self.tally is not None:
            yield f"sample  {counted(self.tally.items, 'item')} of table {self.table!r}"
            for name, one in self.tally.collections.items():
                invalid = f", {one.invalid.items:,} of them invalid" if one.invalid.items else ""
                yield f"        {name}: {counted(one.items, 'item')}{invalid}"
            yield f"        no collection: {counted(self.tally.unmatched.items, 'item')}"
        for text, is_error in self.all_findings:
            yield f"{'BROKEN' if is_error else 'note  '}  {text}"
        where = f"table {self.table!r} in {self.region}"
        if not self.is_known:
            yield f"Cannot tell whether a stack can be attached to {where}."
            return
        if any(finding.is_error for finding in self.findings):
            yield f"A stack cannot be attached to {where} as it is."
            return
        chosen = " ".join(f"{name}={value}" for name, value in self.parameters.items())
        but = "" if self.fits else ", but not all of its items fit the definition"
        yield f"A stack can be attached to {where}{but}: deploy it with {chosen}"

    def as_json(self) -> Json:
        """Return the report for programs."""
        return {
            "table": self.table,
            "region": self.region,
            "fits": self.fits,
            "parameters": self.parameters,
            "errors": [finding.text for finding in self.all_findings if finding.is_error],
            "warnings": [finding.text for finding in self.all_findings if not finding.is_error],
            "sample": None if self.tally is None else _tally_as_json(self.tally),
        }


def findings_of(tally: Tally) -> Iterator[Finding]:
    """Yield what is wrong with sampled items, and what to know about them."""
    yield from _because(tally.unreadable, tally.items, "Items cannot be read and would go to quarantine")
    for reason in tally.unmatched.most_frequent:
        such = f"{reason.items:,} of {tally.items:,} in the sample, such as {reason.key}"
        if reason.items == tally.items:
            yield Finding(f"No item matches a collection, {such}: compare key= and match= with them.")
        elif tally.is_strict:
            what = "Items match no collection and would go to quarantine"
            yield Finding(f"{what}, {such}: describe them, or set strict=False in the pipeline.")
        else:
            yield Finding(f"Items match no collection and are left alone, {such}.", is_error=False)
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
    yield from _because(tally.invalid, tally.items, f"Items of {name!r} are invalid and would go to quarantine")
    for aggregate, reasons in tally.uncounted.items():
        yield from _because(reasons, tally.valid, f"Items of {name!r} cannot be counted in aggregate {aggregate!r}")
    for route, reasons in tally.failing_routes.items():
        yield from _because(reasons, tally.valid, f"Items of {name!r} make the predicate of route {route!r} fail")
    for aggregate, items in tally.in_rows.items():
        if tally.valid and not items and aggregate not in tally.uncounted:
            yield Finding(
                f"Aggregate {aggregate!r} has no row of {counted(tally.valid, 'valid item')} of {name!r}: none has "
                "all fields of a group, and satisfies where=.",
                is_error=False,
            )


def _because(reasons: Reasons, items: int, what: str) -> Iterator[Finding]:
    for reason in reasons.most_frequent[:_MAX_REASONS]:
        such = f"{reason.items:,} of {items:,} in the sample, such as {reason.key}"
        yield Finding(f"{what}, {such}: {reason.text}.")
    if (more := len(reasons.found) - _MAX_REASONS) > 0:
        yield Finding(f"{what} for {counted(more, 'other reason')}: fix the first ones, and check again.")


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
