"""Safeguards of the functions, each broken as by a plausible mistake: the chaos must find every one."""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from typing import Any


def _ignores_unprocessed_items(writer: Any) -> None:
    def write(self: Any, rows: Any) -> list[Any]:
        self.client.batch_write_item(RequestItems={self.table: [{"PutRequest": {"Item": row}} for row in rows]})
        return []

    writer._BatchWriter._write = write


def _ignores_failed_entries(queues: Any) -> None:
    def send(client: Any, queue: str, bodies: Any) -> list[int]:
        entries = [{"Id": str(position), "MessageBody": body} for position, body in bodies.items()]
        client.send_message_batch(QueueUrl=queue, Entries=entries)
        return []

    queues._send_batch = send


def _acknowledges_what_failed(aggregate: Any) -> None:
    aggregate.checkpoint = lambda _outcomes: None


def _adds_without_a_condition(commit: Any) -> None:
    request = commit.update_request

    def unconditional(*arguments: Any) -> dict[str, Any]:
        made: dict[str, Any] = request(*arguments)
        if "ConditionExpression" in made:  # it still has to use all of its values
            either = "attribute_exists(pk) OR attribute_not_exists(pk)"
            made["ConditionExpression"] = f"{either} OR {made['ConditionExpression']}"
        return made

    commit.update_request = unconditional


BROKEN: dict[str, tuple[str, Callable[[Any], None]]] = {
    "ignores unprocessed items": ("tailrace.aws.items.batch_writer", _ignores_unprocessed_items),
    "ignores failed entries": ("tailrace.aws.runtime.queues", _ignores_failed_entries),
    "acknowledges what failed": ("tailrace.aws.stages.aggregate", _acknowledges_what_failed),
    "adds without a condition": ("tailrace.aws.aggregates.commit", _adds_without_a_condition),
}


class _Finder(importlib.abc.MetaPathFinder):
    """Breaks a module when it is imported."""

    def __init__(self, name: str, damage: Callable[[Any], None]) -> None:
        self.name = name
        self.damage = damage

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            self.damage(module)

        loader.exec_module = exec_module
        return spec


def install(name: str) -> None:
    """Break a safeguard in this process."""
    sys.meta_path.insert(0, _Finder(*BROKEN[name]))
