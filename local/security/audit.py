"""Ask what is known about the locked packages: `python -m local.security.audit NPM`, where NPM is the npm to run.

pip-audit and npm leave out what they cannot look up, and succeed. Here that is a failure of its own (status 2), so that
nothing unchecked looks safe.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
PIP_AUDIT = ROOT / ".tools" / "audit" / "bin" / "pip-audit"
PYTHON_LOCKS = (ROOT / "layers" / "tailrace" / "requirements.txt", *sorted((ROOT / "locks").glob("*.txt")))
NPM_FOLDERS = (
    ROOT / "functions" / "dashboard",
    *(path.parent for path in sorted(ROOT.glob("locks/*/package-lock.json"))),
)
TIMEOUT_S = 300
VULNERABLE, UNKNOWN = 1, 2


class Audit(Struct, frozen=True):
    """What is known about the packages of a lock: how many were looked up, what was found, and why others were not."""

    lock: str
    checked: int = 0
    findings: tuple[str, ...] = ()
    unknown: str = ""


def of_pip(lock: str, report: Mapping[str, Any]) -> Audit:
    """Read the report of pip-audit."""
    packages = report["dependencies"]
    skipped = [one["skip_reason"] for one in packages if "skip_reason" in one]
    findings = tuple(
        f"{one['name']} {one['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for one in packages
        for found in one.get("vulns", ())
    )
    reason = f"{len(skipped)} packages were not found, for example: {skipped[0]}" if skipped else ""
    return Audit(lock, len(packages) - len(skipped), findings, reason)


def of_npm(lock: str, report: Mapping[str, Any]) -> Audit:
    """Read the report of npm audit."""
    if "vulnerabilities" not in report:
        return Audit(lock, unknown=report.get("message") or report["error"]["summary"])
    findings = tuple(
        f"{name} {found['range']}: {found['severity']}" for name, found in report["vulnerabilities"].items()
    )
    return Audit(lock, report["metadata"]["dependencies"]["total"], findings)


def audits(npm: str) -> Iterator[Audit]:
    """Audit every lock."""
    for path in PYTHON_LOCKS:
        command = [str(PIP_AUDIT), "--requirement", str(path), "--require-hashes", "--disable-pip", "--format", "json"]
        yield _audit(path, [*command, "--progress-spinner", "off"], of_pip)
    for folder in NPM_FOLDERS:
        yield _audit(folder / "package-lock.json", [npm, "audit", "--json", "--prefix", str(folder)], of_npm)


def _audit(path: Path, command: list[str], read: Any) -> Audit:
    lock = str(path.relative_to(ROOT))
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=path.parent)
        found: Audit = read(lock, json.loads(done.stdout))
    except (OSError, subprocess.TimeoutExpired) as error:
        return Audit(lock, unknown=str(error))
    except (ValueError, KeyError):
        lines = (done.stderr or done.stdout).strip().splitlines()
        return Audit(lock, unknown=lines[-1] if lines else "no answer")
    return found


def main(npm: str) -> int:
    """Print what is known. Return 1 if a package is vulnerable, 2 if something could not be looked up, or else 0."""
    found = list(audits(npm))
    for one in found:
        sys.stdout.write(f"{one.lock}: {one.checked} packages, {len(one.findings)} known vulnerabilities\n")
        for finding in one.findings:
            sys.stdout.write(f"  {finding}\n")
        if one.unknown:
            sys.stdout.write(f"  NOT AUDITED: {one.unknown}\n")
    if any(one.findings for one in found):
        return VULNERABLE
    if any(one.unknown for one in found):
        sys.stderr.write("audit: some lookups failed (see above). Run it again where the network allows it.\n")
        return UNKNOWN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "npm"))
