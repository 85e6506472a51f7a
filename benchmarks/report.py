"""What was measured, as a table, as raw figures, and as a picture."""

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
    """One figure: of the product, and beside it that of something else, measured in the same run."""

    part: str
    what: str
    value: float
    unit: str
    beside: float | None = None
    other: str = "by hand"
    target: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the other figure is of ours."""
        return None if self.beside is None or not self.value else self.beside / self.value


def write(results: Sequence[Result], now: datetime) -> Path:
    """Write the table, the figures and the picture; figures of parts that were not run stay as they were."""
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
        "# What was measured",
        "",
        f"By `make bench` on {machine}: medians of one run. [How](../../docs/performance.md).",
        "",
        "| | what | Tailrace | beside it | ratio | target |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        beside = "" if one.beside is None else f"{number(one.beside)} {one.unit} ({one.other})"
        ratio = "" if one.ratio is None else f"{number(one.ratio)}x"
        lines.append(
            f"| {one.part} | {one.what} | {number(one.value)} {one.unit} | {beside} | {ratio} | {one.target} |"
        )
    return "\n".join(lines) + "\n\n![the ratios](ratios.png)\n"


def number(value: float) -> str:
    """Return a figure with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - where decimals stop to matter


def _write_chart(results: Sequence[Result]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - takes a second, and only here

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    shown = [(f"{one.what}\nbeside {one.other}", one.ratio) for one in results if one.ratio is not None]
    if not shown:
        return
    figure, axes = plt.subplots(figsize=(10, 0.9 + 0.55 * len(shown)), layout="constrained")
    names, ratios = zip(*reversed(shown), strict=True)
    bars = axes.barh(names, ratios, color="#2a6f97")
    axes.bar_label(bars, [f"{number(ratio)}x" for ratio in ratios], padding=4)
    axes.set_xscale("log")
    axes.axvline(1, color="#888888", linewidth=1)
    axes.margins(x=0.15)
    axes.set_xlabel("how many times as much the other one takes")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(RESULTS / "ratios.png", dpi=120)
    plt.close(figure)
