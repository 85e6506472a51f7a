"""Reduce the SDK's data in a built layer to what the functions call: a cold start parses all that is left.

The Makefile runs it. Add a service here if a function of yours calls another one.
"""

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

SERVICES = ("cloudformation", "dynamodb", "dynamodbstreams", "lambda", "s3", "sqs", "stepfunctions")
_ENDPOINT_PREFIXES = {"cloudformation", "dynamodb", "lambda", "s3", "sqs", "states", "streams.dynamodb"}


def slim(data: Path) -> None:
    """Remove other services, and the documentation and examples of those that stay, from botocore's data folder."""
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
    for path in data.rglob("*.json.gz"):
        model = _without_documentation(json.loads(gzip.decompress(path.read_bytes())))
        path.with_suffix("").write_text(_compact(model), encoding="utf-8")
        path.unlink()
    for path in data.rglob("examples-1.json"):
        path.unlink()
    endpoints = data / "endpoints.json"
    document = json.loads(endpoints.read_text(encoding="utf-8"))
    for partition in document["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services if name in _ENDPOINT_PREFIXES}
    endpoints.write_text(_compact(document), encoding="utf-8")


def _without_documentation(value: Any) -> Any:
    """Return a model without its texts; a member of a structure may be named documentation, too, and is an object."""
    if isinstance(value, dict):
        return {
            # emptied, not removed: the SDK reads that of clientContextParams
            name: "" if name == "documentation" and isinstance(inner, str) else _without_documentation(inner)
            for name, inner in value.items()
        }
    return [_without_documentation(inner) for inner in value] if isinstance(value, list) else value


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


if __name__ == "__main__":
    slim(Path(sys.argv[1]))
