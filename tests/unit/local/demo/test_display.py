"""The demo's output without a terminal: plain lines."""

import io
import json
import shlex
from types import SimpleNamespace
from typing import Any, cast

from rich.console import Console

from local.demo.display import Display, Timings
from local.demo.feed import FeedResult
from local.demo.recompute import Difference
from local.demo.verify import Verdict
from local.run_stack import hints
from local.stack import Stack
from pipeline.definition import flights
from tailrace import Aggregate, Pipeline, count, field
from tests.pipelines.orders import pipeline as orders


def shown(act: Any) -> str:
    out = io.StringIO()
    act(Display(Console(file=out, force_terminal=False, highlight=False, soft_wrap=True)))
    return out.getvalue()


def feed_result() -> FeedResult:
    some = FeedResult(0.0)
    some.by_entrance.update({"table": 1_600, "file": 842, "queue": 4, "api": 75})
    return some


def test_the_summary_has_every_figure() -> None:
    verdict = Verdict(rows=329, events=2_521, objects=3, object_bytes=45_678, quarantined=3, disruptions=46)
    text = shown(lambda display: display.summary(feed_result(), verdict, Timings(2.0, 1.25)))
    for figure in ("2,521", "329", "3 objects, 45,678 bytes", "46", "1,260", "1.2 s", "drift 0", "table 1,600"):
        assert figure in text


def test_drift_is_shown_with_the_first_differences() -> None:
    verdict = Verdict(differences=[Difference(f"row [{number}]", 1, None) for number in range(12)])
    text = shown(lambda display: display.summary(feed_result(), verdict, Timings(0.0, 0.0)))
    assert "drift 12: the stack differs from the source" in text
    assert "row [9]: expected 1, found nothing" in text
    assert "row [10]" not in text
    assert "and 2 more" in text


def test_a_step_is_shown_to_the_letter() -> None:
    assert shown(lambda display: display.step("'[/b]' in [bold]my[/] :star: file")).endswith(
        " s  '[/b]' in [bold]my[/] :star: file\n"
    )


def test_a_bar_without_a_terminal_ends_with_one_line() -> None:
    def feed(display: Display) -> None:
        with display.bar("Feeding", 1_000) as bar:
            for _ in range(10):
                bar.advance(100)

    assert shown(feed).endswith("Feeding: 1,000 of 1,000\n")


def running(**parameters: str) -> Stack:
    outputs = {"ItemsTable": "i", "AggregatesTable": "a", "ArchiveBucket": "b"}
    unused = cast("Any", SimpleNamespace(log="l"))
    return Stack(
        "http://aws", outputs, {"HttpApi": "api"}, unused, unused, parameters=parameters, dashboard="http://page"
    )


def test_the_hints_name_the_first_collection_and_aggregate_of_the_definition() -> None:
    text = "\n".join(hints(running(), orders))
    assert "'http://aws/_aws/execute-api/api/collections/orders/items/1'" in text
    assert "'http://aws/b/inbox/orders/items.jsonl'" in text
    assert "/api/aggregates/shop_hours/rows?shop=…'" in text
    assert "put-item" not in text
    assert "collections" not in "\n".join(hints(running(), Pipeline([])))
    by_order = Aggregate("a", of=flights, by=[field("order")], measures={"n": count()})
    assert "/a/rows?group.order=…'" in "\n".join(hints(running(), Pipeline([flights], [by_order])))


def test_an_attached_stack_hints_at_what_it_may_write() -> None:
    """As others write to the table, and through the entrances only when they are on."""
    text = "\n".join(hints(running(ItemsTableName="i"), orders))
    assert "It reads i and writes nothing to it" in text
    assert "--endpoint-url http://aws put-item --table-name i" in text
    assert "collections" not in text
    assert "inbox" not in text
    text = "\n".join(hints(running(ItemsTableName="i", WriteEntrances="on"), orders))
    assert "writes nothing" not in text
    assert "put-item --table-name i" in text
    assert "/api/collections/orders/items/1'" in text


def test_a_stack_that_takes_tokens_hints_at_no_signed_request() -> None:
    """The page that is served beside the stack signs its requests, so it could not read anything."""
    tokens = {"JwtIssuer": "https://issuer", "JwtAudience": "a"}
    text = "\n".join(hints(running(**tokens), orders))
    assert "sigv4" not in text
    assert "http://page" not in text
    assert "Dashboard: none, because the API accepts only tokens of https://issuer; add DashboardClientId" in text
    assert text.count('curl -s -H "authorization: Bearer $TOKEN"') == 3
    stack = running(**tokens, DashboardClientId="c")
    stack.outputs = {**stack.outputs, "DashboardUrl": "https://api.execute-api.example/dashboard"}
    page = "Dashboard: http://aws/_aws/execute-api/api/dashboard (sign in at https://issuer)"
    assert page in "\n".join(hints(stack, orders))


def test_the_hints_can_be_pasted_into_a_shell_and_their_item_is_valid() -> None:
    stack = SimpleNamespace(
        api_url="http://127.0.0.1:1/api",
        dashboard="http://127.0.0.1:2/",
        endpoint="http://127.0.0.1:1",
        outputs={"ItemsTable": "i", "AggregatesTable": "a"},
    )
    text = shown(lambda display: display.hints(cast("Stack", stack)))
    (put,) = [shlex.split(line) for line in text.splitlines() if "PUT" in line]
    flights.prepare(json.loads(put[-1]))
    for line in text.splitlines():
        words = shlex.split(line) if line.startswith("  ") else []
        if "-c" in words:
            compile(words[-1], "hint", "exec")
