"""The plan as lines for people."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from cli.console import counted
from cli.plan.limits import ARCHIVE, CONCURRENCY, ITEM, ROW_BYTES
from cli.plan.model import Plan
from cli.plan.report import Rate, Report, at_most
from cli.plan.usage import Use

_MAX_OF = 60
_WIDTH = 110
_KINDS = {"row": "rows with key", "value row": "value rows with key", "list": "rows of the list"}
_MILLION = 1e6
_RESERVE = 1.5  # of what a quota should leave
_WORTH_IT = 0.9


def lines(report: Report) -> list[str]:
    """Return the plan as text."""
    parts = (_head(report), _rates(report), _measures(report), _windows(report), _limits(report), _advice(report))
    return [line for part in parts for line in [*part, ""]][:-1]


def _head(report: Report) -> Iterator[str]:
    found = report.sampled
    inserts, updates, deletes = found.kinds
    yield f"Plan for {report.reference}, collection {found.collection!r}"
    kinds = ((inserts, "insert"), (updates, "update"), (deletes, "deletion"))
    yield f"Sample: {found.source}: {', '.join(counted(*kind) for kind in kinds)}."
    for note in found.notes:
        yield from _prose(f"Note: {note}")


def _rates(report: Report) -> Iterator[str]:
    rates = report.rates
    plans = [rate.plan for rate in rates]
    rows: list[tuple[str, list[str]]] = [
        ("changes per second", [_rate(plan) for plan in plans]),
        ("shards of the stream", [f"{plan.shards:,}" for plan in plans]),
        ("window (AggregateWindowSeconds)", [f"{plan.load.window_s:,.0f} s" for plan in plans]),
        ("write-behind (WriteBehindSeconds)", [f"{plan.load.write_behind_s:,.0f} s" for plan in plans]),
        ("changes in a batch", [f"{plan.batch:,.0f}" for plan in plans]),
        ("changes folded before they are written", [f"{plan.folded:,.0f}" for plan in plans]),
        ("rows written per 1,000 changes", [number(plan.rows * 1000) for plan in plans]),
        ("write units per 1,000 changes", [number(plan.units * 1000) for plan in plans]),
        ("read units per 1,000 changes", [number(plan.read_units * 1000) for plan in plans]),
        ("write units per second", [number(plan.load.rate * plan.units) for plan in plans]),
        ("Lambda concurrency: aggregate", [number(plan.concurrency["aggregate"]) for plan in plans]),
        ("  fanout", [number(plan.concurrency["fanout"]) for plan in plans]),
        ("  archive", [number(plan.concurrency["archive"]) for plan in plans]),
        ("  at one moment, at most", [number(math.ceil(at_most(plan))) for plan in plans]),
        ("SQS messages per second: archive", [number(plan.messages) for plan in plans]),
        ("  routes", [number(plan.routed) for plan in plans]),
        ("S3 PUTs per second", [number(plan.archive_batches) for plan in plans]),
    ]
    rows += [
        (f"$ per month: {name}" if not position else f"  {name}", [dollars(rate.dollars[name]) for rate in rates])
        for position, name in enumerate(rates[0].dollars)
    ]
    rows += [
        ("$ per month, total", [dollars(sum(rate.dollars.values())) + _mark(rate) for rate in rates]),
        ("$ per million changes", [dollars(_per_million(rate)) + _mark(rate) for rate in rates]),
        ("in addition: your own item writes, $ per month", [dollars(rate.upstream) for rate in rates]),
    ]
    yield from table(rows)
    for too_large in [rate.too_large for rate in rates if rate.too_large][:1]:
        size = f"a row would be larger than the {ROW_BYTES.value:,} bytes that DynamoDB allows"
        yield from _prose(f"* cannot be reached: {size} ({too_large.of[:_MAX_OF]})")


def _mark(rate: Rate) -> str:
    return " *" if rate.too_large else ""


def _per_million(rate: Rate) -> float:
    return sum(rate.dollars.values()) / (rate.plan.load.rate * 30 * 86_400) * _MILLION


def _measures(report: Report) -> Iterator[str]:
    plan = report.rates[0].plan
    yield f"Costs per item, at {_rate(plan)} changes per second"
    rows = [("", ["writes", "write units", "read units"])]
    for cost in report.costs:
        name = f"{cost.aggregate}: {', '.join(cost.measures) + ': ' if cost.measures else ''}{cost.what}"
        rows.append((name, [number(cost.writes), number(cost.write_units), number(cost.read_units)]))
    yield from table(rows)


def _windows(report: Report) -> Iterator[str]:
    yield "Windows: write units per 1,000 changes, and what they cost in a month"
    rows = [("", [cell for rate in report.rates for cell in (f"{_rate(rate.plan)}/s:", "$")])]
    rows += _written("{} s", [rate.by_window for rate in report.rates])
    rows += _written("write-behind of {} s", [rate.by_write_behind for rate in report.rates])
    yield from table(rows)


def _written(name: str, rates: Sequence[Mapping[int, tuple[float, float]]]) -> Iterator[tuple[str, list[str]]]:
    for seconds in sorted({seconds for found in rates for seconds in found}):
        cells = [found.get(seconds) for found in rates]
        texts = [text for cell in cells for text in (("", "") if cell is None else (number(cell[0]), dollars(cell[1])))]
        yield name.format(seconds), texts


def _limits(report: Report) -> Iterator[str]:
    yield f"Limits, in the order in which they are reached at a window of {report.rates[0].plan.load.window_s:,.0f} s"
    rows = [("", ["reached at", "what helps"])]
    for limit, met in report.met.items():
        rows.append((f"{limit.name}: {limit.value:,.0f} {limit.unit}", [f"{number(met)}/s", limit.remedy]))
    yield from table(rows)
    for rate in report.rates:
        over = sorted([use for use in rate.uses if use.ratio > 1], key=lambda use: report.met.get(use.limit, math.inf))
        if over:
            then = ", ".join(use.limit.name for use in over[1:])
            times = f"{number(over[0].ratio)} times its value"
            found = f"{_what(over[0])} is reached first: {times}{'; then ' if then else ''}{then}."
        else:
            found = f"no limit is reached; the nearest is {_what(rate.first)}, {rate.first.ratio:.0%} used."
        yield from _prose(f"{_rate(rate.plan)}/s: {found}")


def _what(use: Use) -> str:
    return f"{use.limit.name} ({use.of[:_MAX_OF]})" if use.of else use.limit.name


def _advice(report: Report) -> Iterator[str]:
    yield "Advice"
    for rate in report.rates:
        yield f"{_rate(rate.plan)}/s: AggregateWindowSeconds={rate.window_s}"
        for text in (*_write_behind(rate), *_lanes(rate), *_hot(rate), *_settings(rate)):
            yield from _prose(text, "    ")
    yield ""
    yield f"Prices: {report.is_dated}, without free tier and discounts; a month has 30 days."
    yield "Not included: storage, logs, metrics, the API, entrances (load, ingest), readers and subscribers."
    yield "CPU times are those of the example's definition, from make bench:"
    yield from (f"    {text}" for text in report.figures.taken)


def _write_behind(rate: Rate) -> Iterator[str]:
    seconds = rate.write_behind_s
    if seconds and rate.window_s != rate.plan.load.window_s:
        yield f"together with WriteBehindSeconds={seconds}, which saves more than a tenth of the write units"
    elif seconds and seconds != rate.plan.load.write_behind_s:
        units, paid = rate.by_write_behind[seconds]
        yield (
            f"WriteBehindSeconds={seconds}: {number(units)} write units per 1,000 changes instead of "
            f"{number(rate.plan.units * 1000)}; rows cost ${dollars(paid)} of "
            f"${dollars(rate.dollars['aggregate rows, written'])} per month"
        )


def _lanes(rate: Rate) -> Iterator[str]:
    for aggregate, lanes in rate.lanes.items():
        text = f"lanes={lanes}" if lanes else "even 100 lanes are too few; group more finely"
        yield f"{aggregate}: its busiest row reaches a limit: {text}"
    paid = rate.dollars["aggregate rows, written"]
    if rate.saving_lanes and rate.saving_dollars < paid * _WORTH_IT:
        names = ", ".join(f"{name} lanes={lanes}" for name, lanes in rate.saving_lanes.items())
        saved = f"${dollars(paid - rate.saving_dollars)} of ${dollars(paid)} per month for writes of rows"
        yield f"each shard leaves a mark of 52 bytes in the rows that it writes; lanes share them: {names} save {saved}"


def _hot(rate: Rate) -> Iterator[str]:
    for found, units in rate.hot_keys:
        hint = "listed=False, or let" if found.kind == "list" else "finer groups, or let"
        yield (
            f"{found.aggregate}: {_KINDS[found.kind]} {found.key[:_MAX_OF]!r} take {number(units)} write units per "
            f"second: {hint} DynamoDB split the key, which takes a while"
        )
    for use in rate.uses:
        if use.limit is ITEM and use.ratio > 1:
            yield f"the item {use.of[:_MAX_OF]!r} takes {number(use.value)} write units per second: split it"


def _settings(rate: Rate) -> Iterator[str]:
    plan = rate.plan
    for use in rate.uses:
        if use.ratio <= 1:
            continue
        needed = math.ceil(use.value * _RESERVE)
        if use.limit is ARCHIVE:
            yield f"QueueConcurrency={needed}" + (" (the template allows 1,000)" if needed > 1_000 else "")  # noqa: PLR2004
        elif use.limit.remedy == "a quota":
            yield f"ask AWS for a quota of {needed:,} {use.limit.unit}: {use.limit.name}"
    if at_most(plan) > CONCURRENCY.value >= sum(plan.concurrency.values()):
        yield f"ask AWS for a Lambda concurrency of {math.ceil(at_most(plan)):,}, so that no shard waits"


def _prose(text: str, indent: str = "") -> list[str]:
    return wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(rows: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Yield rows with their cells aligned to the right."""
    widths = [max(len(cells[column]) for _, cells in rows) for column in range(len(rows[0][1]))]
    first = max(len(name) for name, _ in rows)
    for name, cells in rows:
        yield f"{name:<{first}}  {'  '.join(_aligned(cells, widths))}".rstrip()


def _aligned(cells: Iterable[str], widths: Iterable[int]) -> Iterator[str]:
    return (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _rate(plan: Plan) -> str:
    return f"{plan.load.rate:,.12g}"  # as it was given: it may be less than one


def number(value: float) -> str:
    """Format with three significant digits, and all digits before the point."""
    if not value:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}"


def dollars(value: float) -> str:
    """Format an amount: in whole dollars from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"  # noqa: PLR2004 - cents are noise above
