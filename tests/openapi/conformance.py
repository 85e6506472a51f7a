"""schemathesis, run against an API that is up: no answer is a 5xx, and each is as the API's own document says."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from local.deployment.processes import clean_environment
from tailrace.encoding.json_types import Json
from tests.openapi.hooks import EXISTING_ID, ITEMS

SETTINGS = Path(__file__).with_name("schemathesis.toml")
HOOKS = "tests.openapi.hooks"
ROOT = Path(__file__).parents[2]

_SERVER_ERROR, _FIRST_REDIRECT = 500, 300


FLIGHT: Json = {
    "carrier": "EV", "flight": 4166, "origin": "EWR", "dest": "GSP", "distance": 594, "status": "scheduled",
    "scheduled_departure": "2013-12-24T06:00:00-05:00", "sched_arr_time": 803,
}  # fmt: skip
"""A good item of the shipped pipeline's collection."""


def check_conformance(
    url: str, authorization: str, items: Mapping[str, Json], max_examples: int, folder: Path
) -> set[tuple[str, str]]:
    """Have schemathesis ask everything that an API's document offers, the same requests each time.

    Args:
        url: the API's root, without a slash at the end.
        authorization: the header that lets every request in.
        items: one good item of each collection.
        most: how many requests are made up at most for each operation and phase.
        folder: where the record of what was asked is kept.

    Returns:
        The operations, by method and path, of which no request was carried out: whose answers were refusals alone.

    Raises:
        AssertionError: an answer is a 5xx, or not as the document says.
    """
    headers = {"Authorization": authorization}
    document = urllib3.request("GET", f"{url}/openapi.json", headers=headers)
    assert document.status == 200
    for collection, item in items.items():
        place = f"{url}/collections/{collection}/items/{EXISTING_ID}"
        assert urllib3.request("PUT", place, headers=headers, json=item).status in (200, 201)
    record = folder / "asked.har"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", f"{url}/openapi.json"]
    command += ["--url", url, "--header", f"Authorization: {authorization}", "--max-examples", str(max_examples)]
    command += ["--generation-deterministic", "--no-color", "--report", "har", "--report-har-path", str(record)]
    environment = clean_environment(
        PYTHONWARNINGS="ignore", PYTHONPATH=str(ROOT), SCHEMATHESIS_HOOKS=HOOKS, **{ITEMS: json.dumps(items)}
    )
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    found = re.search(r"= (ERRORS|FAILURES) =.*", run.stdout, re.DOTALL)
    assert run.returncode == 0, found[0][:6000] if found else run.stdout[-3000:] + run.stderr[-3000:]
    responses = list(_responses(record, urlsplit(url).path))
    assert len(responses) > 200
    assert max(status for _, _, status in responses) < _SERVER_ERROR
    return _operations(document.json()) - {
        (method, path) for method, path, status in responses if status < _FIRST_REDIRECT
    }


def _responses(record: Path, root: str) -> Iterator[tuple[str, str, int]]:
    """Yield the method, the path as the document has it, and the status of each answer."""
    for entry in json.loads(record.read_text())["log"]["entries"]:
        path = urlsplit(entry["request"]["url"]).path.removeprefix(root)
        template = re.sub(r"(/collections/[^/]+/items)/.*", r"\1/{id}", path)
        yield entry["request"]["method"], template, entry["response"]["status"]


def _operations(document: Json) -> set[tuple[str, str]]:
    """Return the method and path of each operation but the document's own, which was read to begin with."""
    operations = {
        (verb.upper(), path)
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
        if isinstance(operation, dict)
    }
    return operations - {("GET", "/openapi.json")}
