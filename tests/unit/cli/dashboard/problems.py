"""Problem documents that the dashboard's server answers with."""

import json

import urllib3

from cli.dashboard.server import TYPE_PREFIX


def problem(answer: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    """Check a problem document; return its status and the last part of its type."""
    document = json.loads(answer.data)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["status"] == answer.status
    assert document["title"]
    return answer.status, document["type"].removeprefix(TYPE_PREFIX)
