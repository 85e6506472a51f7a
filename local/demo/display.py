"""The demo's output: timed steps, a progress bar (plain lines without a terminal), a summary and hints."""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cli.dashboard.command import REFERENCE
from local.demo.feed import FeedResult
from local.demo.verify import Verdict
from local.deployment.emulator import REGION
from local.run_stack import CURL
from local.stack import Stack

_LINE_INTERVAL_S = 2.0
_SHOWN_DIFFERENCES = 10


class Timings(Struct, frozen=True):
    """Seconds from the first write to the last update of an aggregate row, and from the end of the feed to settled."""

    processing_s: float
    settling_s: float


class Display:
    """Writes to standard output: colors and a moving bar on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._started_at = time.monotonic()

    def step(self, text: str) -> None:
        """Print what happens now, with the seconds since the start."""
        seconds = f"{time.monotonic() - self._started_at:6.1f} s"
        self.console.print(Text.assemble((seconds, "dim"), f"  {text}"))  # a file's content is not markup

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator["ProgressBar"]:
        """Show a progress bar."""
        bar = ProgressBar(self, text, total)
        try:
            yield bar
        finally:
            bar.end()

    def summary(self, feed_result: FeedResult, verdict: Verdict, times: Timings) -> None:
        """Show what was fed, what it produced, and how fast."""
        table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2))
        table.add_column()
        table.add_column(justify="right")
        for name, value in _summary_rows(feed_result, verdict, times):
            table.add_row(name, value)
        self.console.print()
        self.console.print(table)
        colour = "red" if verdict.drift else "green"
        self.console.print(f"[bold {colour}]drift {verdict.drift}[/]: {_verdict_sentence(verdict)}")
        for difference in verdict.differences[:_SHOWN_DIFFERENCES]:
            self.console.print(f"  {difference}", markup=False)
        if verdict.drift > _SHOWN_DIFFERENCES:
            self.console.print(f"  and {verdict.drift - _SHOWN_DIFFERENCES} more")

    def hints(self, stack: Stack) -> None:
        """Show how to put an item by hand and see its aggregate change."""
        self.console.print()
        for line in _hints(stack):
            self.console.print(line, markup=False)


class ProgressBar:
    """A progress bar on a terminal, a line every two seconds elsewhere. Any thread may call ``advance``."""

    def __init__(self, display: Display, text: str, total: int) -> None:
        self._display, self._text, self._total = display, text, total
        self._done, self._shown, self._last_line = 0, -1, time.monotonic()
        self._live: Progress | None = None
        if display.console.is_terminal:
            columns = (
                TextColumn("          {task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._live = Progress(*columns, console=display.console, transient=True)
            self._task = self._live.add_task(text, total=total)
            self._live.start()

    def advance(self, number: int) -> None:
        """Count ``number`` more."""
        self._done += number
        if self._live is not None:
            self._live.update(self._task, completed=self._done)
        elif time.monotonic() - self._last_line > _LINE_INTERVAL_S:
            self._line()

    def end(self) -> None:
        """Stop, and print the final count."""
        if self._live is not None:
            self._live.stop()
        self._line()

    def _line(self) -> None:
        self._last_line = time.monotonic()
        if self._shown != self._done:
            self._shown = self._done
            self._display.step(f"{self._text}: {self._done:,} of {self._total:,}")


def _summary_rows(feed_result: FeedResult, verdict: Verdict, times: Timings) -> Iterator[tuple[str, str]]:
    entrances = ", ".join(f"{name} {number:,}" for name, number in sorted(feed_result.by_entrance.items()))
    yield "changes fed", f"{feed_result.changes:,}"
    yield "  by entrance", entrances
    yield "changes seen in the archive", f"{verdict.events:,}"
    yield "aggregate rows", f"{verdict.rows:,}"
    yield "archive", f"{verdict.objects:,} objects, {verdict.object_bytes:,} bytes"
    yield "quarantined", f"{verdict.quarantined:,}"
    yield "rejected by the API", f"{feed_result.api_rejected:,}"
    yield "disruptions", f"{verdict.disruptions:,}"
    yield "changes per second", f"{feed_result.changes / times.processing_s:,.0f}" if times.processing_s > 0 else "-"
    yield "  first write to last row", f"{times.processing_s:.1f} s"
    yield "time to settle", f"{times.settling_s:.1f} s"


def _verdict_sentence(verdict: Verdict) -> str:
    if verdict.drift:
        return "the stack differs from the source"
    return "every row, event, receipt and rejected item matches the recompute from the source, to the last digit"


_SAMPLE_ITEM = {
    "carrier": "UA",
    "flight": 1,
    "origin": "EWR",
    "dest": "SFO",
    "distance": 2565,
    "scheduled_departure": "2013-01-01T05:59:00-05:00",
    "sched_arr_time": 920,
    "status": "departed",
    "dep_time": 759,
    "dep_delay": 120,
}
_SAMPLE_HOUR = "2013-01-01T05:00-05:00"


def _hints(stack: Stack) -> Iterator[str]:
    put = shlex.quote(f"{stack.api_url}/collections/flights/items/by-hand")
    rows = shlex.quote(
        f"{stack.api_url}/aggregates/carrier_hours/rows?carrier=UA&from={_SAMPLE_HOUR}&to={_SAMPLE_HOUR}"
    )
    yield f"Dashboard: {stack.dashboard}  API reference: {stack.dashboard}{REFERENCE}"
    yield ""
    yield f"The stack is up at {stack.endpoint}. Read an aggregate, put an item by hand, and read again:"
    yield ""
    yield f"  {CURL} {rows}"
    yield f"  {CURL} -X PUT {put} -H 'content-type: application/json' -d {shlex.quote(json.dumps(_SAMPLE_ITEM))}"
    yield f"  {CURL} -X DELETE {put}"
    yield ""
    yield "Or use the tables directly, with any SDK:"
    yield ""
    item = {"pk": "flights#by-sdk"} | _SAMPLE_ITEM
    key = {"pk": "carrier_hours@1#UA", "sk": _SAMPLE_HOUR}
    yield _python_command(stack, f"t('{stack.outputs['ItemsTable']}').put_item(Item={item})")
    yield _python_command(stack, f"print(t('{stack.outputs['AggregatesTable']}').get_item(Key={key})['Item'])")
    yield ""
    yield "Press Ctrl-C to stop. Nothing is left behind."


def _python_command(stack: Stack, statement: str) -> str:
    where = f"endpoint_url='{stack.endpoint}', region_name='{REGION}'"
    keys = "aws_access_key_id='test', aws_secret_access_key='test'"  # the emulator's
    code = f"import boto3; t = boto3.resource('dynamodb', {where}, {keys}).Table; {statement}"
    return f'  {shlex.quote(sys.executable)} -c "{code}"'
