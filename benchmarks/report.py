"""Results as a table, as raw figures, and as a chart."""

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

type Show = Callable[[str], None]

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Result:
    """A measurement of Tailrace and, optionally, of something else in the same run (``beside``, named ``other``)."""

    part: str
    what: str
    value: float
    unit: str
    beside: float | None = None
    other: str = "by hand"
    target: str = ""

    @property
    def ratio(self) -> float | None:
        """The other figure divided by ours."""
        return None if self.beside is None or not self.value else self.beside / self.value


def write(results: Sequence[Result], now: datetime) -> Path:
    """Write table, figures and chart; keep the figures of parts that were not run."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "figures.json"
    before = json.loads(path.read_text()) if path.exists() else {"parts": {}}
    parts = before["parts"]
    for part in {result.part for result in results}:
        rows = [asdict(result) for result in results if result.part == part]
        parts[part] = {"measured": now.astimezone(UTC).date().isoformat(), "results": rows}
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    path.write_text(json.dumps({"machine": machine, "parts": dict(sorted(parts.items()))}, indent=1) + "\n")
    all_records = [Result(**row) for part in sorted(parts) for row in parts[part]["results"]]
    (RESULTS / "README.md").write_text(_table(all_records, machine))
    _write_chart(all_records)
    return RESULTS


def _table(results: Sequence[Result], machine: str) -> str:
    lines = [
        "# Benchmark results",
        "",
        f"`make bench` on {machine}: medians of one run. [Method](../../docs/performance.md).",
        "",
        "| | measurement | Tailrace | compared with | ratio | target |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        beside = "" if one.beside is None else f"{number(one.beside)} {one.unit} ({one.other})"
        ratio = "" if one.ratio is None else f"{number(one.ratio)}x"
        lines.append(
            f"| {one.part} | {one.what} | {number(one.value)} {one.unit} | {beside} | {ratio} | {one.target} |"
        )
    return "\n".join(lines) + "\n\n![Ratios](ratios.png)\n"


def number(value: float) -> str:
    """Format a figure with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits without decimals


def _write_chart(results: Sequence[Result]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    shown = [(f"{one.what}\nvs. {one.other}", one.ratio) for one in results if one.ratio is not None]
    if not shown:
        return
    figure, axes = plt.subplots(figsize=(10, 0.9 + 0.55 * len(shown)), layout="constrained")
    names, ratios = zip(*reversed(shown), strict=True)
    bars = axes.barh(names, ratios, color="#2a6f97")
    axes.bar_label(bars, [f"{number(ratio)}x" for ratio in ratios], padding=4)
    axes.set_xscale("log")
    axes.axvline(1, color="#888888", linewidth=1)
    axes.margins(x=0.15)
    axes.set_xlabel("cost relative to Tailrace")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(RESULTS / "ratios.png", dpi=120)
    plt.close(figure)
