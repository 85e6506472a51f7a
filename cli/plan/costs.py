"""What each measure costs per item: rows and units of the aggregates table."""

from collections.abc import Iterator

from msgspec import Struct

from cli.plan.model import Plan


class Cost(Struct, frozen=True):
    """Writes, write units and read units per item, of measures that share rows."""

    aggregate: str
    what: str
    measures: tuple[str, ...]
    writes: float
    write_units: float
    read_units: float


def costs(plan: Plan) -> list[Cost]:
    """Return the costs of each aggregate: its rows with all linear measures, its list, and each kind of value rows."""
    return [*_rows(plan), *_values(plan)]


def _rows(plan: Plan) -> Iterator[Cost]:
    what = {"row": "rows, with all linear measures", "list": "list of groups (listed=False saves it)"}
    for one in plan.written:
        if one.kind in what:
            yield Cost(one.aggregate, what[one.kind], (), one.writes, one.units, 0)


def _values(plan: Plan) -> Iterator[Cost]:
    units = {one.aggregate: one.units / one.writes for one in plan.written if one.kind == "value row"}
    for values in plan.profile.values:
        writes = plan.values_written(values) + plan.nodes_written(values)
        reads = ", with nodes" if values.quantiles else ""
        reads += ", an end read" if values.ends else ""
        reads += ", ranked" if values.ranked else ""
        counts = ", counted" if values.appearing else ""
        what = f"value rows, {values.per_row:,.0f} per row{reads}{counts}"
        yield Cost(
            values.aggregate,
            what,
            values.measures,
            writes + values.appearing,
            writes * units[values.aggregate] + plan.counting_units(values),
            plan.reads_of(values),
        )
