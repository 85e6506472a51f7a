"""Check the template with checkov: `python -m local.security.checkov`.

checkov knows no Fn::ForEach and ignores what is in a loop, so it reads the template with its loops unrolled.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.deployment.expansion import expand
from local.deployment.template import template

ROOT = Path(__file__).resolve().parents[2]
CHECKOV = ROOT / ".tools" / "checkov" / "bin" / "checkov"
CONFIGURATION = ROOT / ".checkov.yaml"
UNROLLED = ROOT / ".cache" / "review" / "template.json"


def findings(written: Mapping[str, Any], unrolled: Path = UNROLLED) -> list[str]:
    """Return what checkov finds in a template, a line each; `unrolled` is the file that it reads."""
    expanded = expand(written)
    unrolled.parent.mkdir(parents=True, exist_ok=True)
    unrolled.write_text(json.dumps(expanded, indent=1, default=str), encoding="utf-8")
    command: list[str | Path] = [CHECKOV, "--config-file", CONFIGURATION, "--output", "json", "--file", unrolled]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    try:
        report = json.loads(done.stdout)
        unread = len(expanded["Resources"]) - report["summary"]["resource_count"]
    except (ValueError, KeyError, TypeError):
        return [f"checkov has read no template: {(done.stderr or done.stdout).strip()[-2000:]}"]
    failed = [
        f"{found['resource']}: {found['check_id']} {found['check_name']}"
        for found in report["results"]["failed_checks"]
    ]
    return failed + ([f"checkov has not read {unread} of the resources"] if unread else [])


def main() -> int:
    """Print the findings; return the status for the shell."""
    found = findings(template())
    for line in found:
        sys.stderr.write(f"template.yaml: {line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
