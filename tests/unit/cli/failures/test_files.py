"""Files whose load failed: loaded again unless a line would create or change an item, and done if loaded since."""

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.failures import files, gate
from cli.failures.run import Policy
from tailrace import Collection, Pipeline, Route
from tailrace.encoding.tagged_json import dumps
from tests.unit.cli.failures.world import BOTH, SAFE, Stack


@pytest.fixture
def loaded(stack: Stack) -> list[str]:
    """Let load note the files that it is called with."""
    keys: list[str] = []

    def load(event: Any) -> None:
        keys.extend(found["s3"]["object"]["key"] for found in event["Records"])

    stack.functions.functions["s-load"] = load
    return keys


def upload(stack: Stack, name: str, *lines: Any, sequencer: str = "2") -> None:
    """Upload a file that load gives up."""
    content = "\n".join(lines) if isinstance(lines[0], str) else "\n".join(map(dumps, lines))
    body = gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()
    stack.s3.put_object(Bucket="the-archive", Key=f"inbox/things/{name}", Body=body)
    stack.notify("load", f"inbox/things/{name.replace(' ', '+')}", sequencer)


@pytest.mark.parametrize("newest", ["2", "20", "2A"])
def test_a_file_that_was_loaded_since_or_replaced_by_one_that_was_is_done(
    stack: Stack, loaded: list[str], newest: str
) -> None:
    stack.put_item("a", {"n": 0})
    upload(stack, "a b.jsonl", {"id": "a", "n": 1})
    receipt = json.dumps({"sequencer": newest}).encode()
    stack.s3.put_object(Bucket="the-archive", Key="receipts/things/a b.jsonl.json", Body=receipt)
    assert dict(stack.redrive("async", SAFE).tally.removed) == {files.LOADED: 1}
    assert (loaded, stack.sqs.bodies("async")) == ([], [])


@pytest.mark.parametrize("policy", [SAFE, BOTH])
def test_a_file_that_is_gone_is_left_and_named(stack: Stack, loaded: list[str], policy: Policy) -> None:
    upload(stack, "a b.jsonl", {"id": "a", "n": 1})
    stack.s3.delete_object(Bucket="the-archive", Key="inbox/things/a b.jsonl")
    upload(stack, "b.jsonl", {"id": "b", "n": 1})
    stack.put_item("b", {"n": 1})
    tally = stack.redrive("async", policy).tally
    assert (tally.put_back, dict(tally.left)) == (1, {files.GONE: 1})
    assert tally.examples[files.GONE] == ["inbox/things/a b.jsonl"]
    assert (loaded, len(stack.sqs.bodies("async"))) == (["inbox/things/b.jsonl"], 1)


@pytest.mark.parametrize("policy", [SAFE, BOTH])
def test_a_file_whose_request_is_rejected_holds_up_no_other(
    stack: Stack, loaded: list[str], policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(stack, "a.jsonl", {"id": "a", "n": 1})
    upload(stack, "b.jsonl", {"id": "b", "n": 1})
    stack.put_item("b", {"n": 1})
    get_object = stack.s3.get_object

    def rejecting(**request: Any) -> Any:
        if "/a.jsonl" in request["Key"]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
        return get_object(**request)

    monkeypatch.setattr(stack.s3, "get_object", rejecting)
    tally = stack.redrive("async", policy).tally
    assert (tally.put_back, dict(tally.left)) == (1, {f"{files.REJECTED} GetObject: AccessDenied": 1})
    assert loaded == ["inbox/things/b.jsonl"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([{"id": "same", "n": 1}, {"id": "new", "n": 1}], gate.ABSENT),
        ([{"id": "same", "n": 1}, {"id": "other", "n": 1}], gate.DIFFERENT),
    ],
)
def test_a_file_is_left_if_a_line_would_create_or_change_an_item(
    stack: Stack, loaded: list[str], lines: list[Any], reason: str
) -> None:
    stack.put_item("same", {"n": 1})
    stack.put_item("other", {"n": 2})
    upload(stack, "a b.jsonl", *lines, sequencer="2")
    receipt = json.dumps({"sequencer": "1"}).encode()
    stack.s3.put_object(Bucket="the-archive", Key="receipts/things/a b.jsonl.json", Body=receipt)
    tally = stack.redrive("async", SAFE).tally
    left = f"{files.LINES} {reason}"
    assert (dict(tally.left), tally.examples[left]) == ({left: 1}, ["inbox/things/a b.jsonl"])
    assert dict(stack.redrive("async", Policy(discard=True)).tally.left) == {left: 1}
    policy = Policy(create=True) if reason == gate.ABSENT else Policy(overwrite=True)
    assert loaded == []
    assert stack.redrive("async", policy).tally.put_back == 1
    assert loaded == ["inbox/things/a+b.jsonl"]
    assert stack.sqs.bodies("async") == []


@pytest.mark.parametrize("name", ["a.json", "a.jsonl.gz"])
def test_the_lines_before_a_file_breaks_off_are_compared_too(stack: Stack, loaded: list[str], name: str) -> None:
    """Load writes them before it refuses the rest."""
    stack.put_item("other", {"n": 2})
    upload(stack, name, '[{"id": "other", "n": 1},' if name == "a.json" else '{"id": "other", "n": 1}\n')
    key = ("the-archive", f"inbox/things/{name}")
    if name != "a.json":
        stack.s3.objects[key] += stack.s3.objects[key][:12]
    assert dict(stack.redrive("async", SAFE).tally.left) == {f"{files.LINES} {gate.DIFFERENT}": 1}
    assert loaded == []
    assert stack.redrive("async", Policy(overwrite=True, newer_by="at")).tally.put_back == 1
    assert len(loaded) == 1


def test_a_file_is_compared_as_load_reads_it(stack: Stack, loaded: list[str]) -> None:
    """Compressed whatever its name says, and with ids made of its columns."""
    things = Collection("things", schema={"type": "object"}, id_from=["n"])
    stack.pipeline = Pipeline([things], routes=[Route("even", of=things, when=lambda _: False)])
    upload(stack, "a.jsonl", {"n": 1})
    key = ("the-archive", "inbox/things/a.jsonl")
    stack.s3.objects[key] = gzip.compress(stack.s3.objects[key])
    assert dict(stack.redrive("async", SAFE).tally.left) == {f"{files.LINES} {gate.ABSENT}": 1}
    assert loaded == []


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_file_that_changes_nothing_is_loaded_for_its_receipt(stack: Stack, loaded: list[str], name: str) -> None:
    for number in range(250):
        stack.put_item(str(number), {"n": str(number)})
    upload(stack, name, "id,n", *(f"{number},{number}" for number in range(250)), f"{'x' * 1025},1", "broken")
    assert stack.redrive("async", SAFE).tally.put_back == 1
    assert len(loaded) == 1


@pytest.mark.parametrize("name", ["a.txt", "../others/a.jsonl", "a.jsonl.gz"])
def test_a_file_that_load_refuses_is_loaded_for_its_receipt(stack: Stack, loaded: list[str], name: str) -> None:
    upload(stack, name, "x")
    if name.endswith(".gz"):
        stack.s3.put_object(Bucket="the-archive", Key=f"inbox/things/{name}", Body=b"no gzip")
    assert stack.redrive("async", SAFE).tally.put_back == 1
    assert len(loaded) == 1


def test_a_field_can_say_whether_a_files_lines_are_newer(stack: Stack, loaded: list[str]) -> None:
    stack.put_item("a", {"n": 1, "at": 5})
    upload(stack, "a.jsonl", {"id": "a", "n": 2, "at": 4})
    policy = Policy(newer_by="at", overwrite=True)
    assert dict(stack.redrive("async", policy).tally.left) == {f"{files.LINES} {gate.OUTDATED}": 1}
    stack.put_item("a", {"n": 1, "at": 3})
    assert stack.redrive("async", Policy(newer_by="at")).tally.put_back == 1
