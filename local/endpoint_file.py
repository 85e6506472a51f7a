"""The file in which a running stack announces its addresses."""

import json
import os
from collections.abc import Mapping
from typing import Any

from local.deployment.emulator import ROOT

ENDPOINT_FILE = ROOT / ".tailrace" / "endpoint.json"


def write_endpoint_file(addresses: Mapping[str, str | None], outputs: Mapping[str, str]) -> None:
    """Announce a stack of this process: its addresses, and the template's outputs."""
    ENDPOINT_FILE.parent.mkdir(exist_ok=True)
    description = {**addresses, "pid": os.getpid(), "outputs": dict(outputs)}
    ENDPOINT_FILE.write_text(json.dumps(description, indent=2) + "\n")


def remove_endpoint_file() -> None:
    """Remove what this process has announced; a stack that was started later stays announced."""
    about = read_endpoint_file()
    if about is None or about["pid"] == os.getpid():
        ENDPOINT_FILE.unlink(missing_ok=True)


def read_endpoint_file() -> dict[str, Any] | None:
    """Return what a running stack has announced (endpoint, api_url, dashboard, pid, outputs); None without a stack."""
    try:
        description = json.loads(ENDPOINT_FILE.read_text())
        os.kill(description["pid"], 0)
    except (OSError, ValueError, KeyError, TypeError):  # none, not a stack's any more, or damaged
        return None
    return dict(description)
