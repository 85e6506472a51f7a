"""(d) A function's CPU time before its first event, above the bare interpreter, and the layer's size."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.report import Result, Show
from local.deployment.build import build_as_deployed
from local.deployment.emulator import ROOT
from local.deployment.layers import loads_libraries, use_own_libraries
from pipeline.definition import pipeline
from tailrace.definition.route_names import resource_name

STAGES = ("aggregate", "api", "archive", "catalog", "dashboard", "fanout", "history", "ingest", "load")
_ROUNDS = 7

# Work before the first event: import the module, and assemble the stage as the first event would.
_SCRIPT = """
import os, sys, time
if len(sys.argv) > 1:
    sys.path[:0] = [sys.argv[1], sys.argv[2]]
    import app, typing
    assemble = app.site if hasattr(app, "site") else app.stage
    settings, *_ = typing.get_type_hints(assemble.__wrapped__).values()
    assemble(settings.parse(os.environ))
print(time.process_time() * 1000)
"""


_NUMBERS = frozenset(["WRITE_BEHIND_SECONDS"])


class Environment(dict[str, str]):
    """Every environment variable of the template, with a placeholder value."""

    def __init__(self) -> None:
        names = {name for settings in ROOT.glob("template.yaml") for name in _variables(settings.read_text())}
        super().__init__({name: "0" if name in _NUMBERS else "https://example.com/name" for name in names})
        self["PATH"] = os.environ["PATH"]
        self["AWS_REGION"] = "us-east-1"
        self["ROUTES"] = ",".join(resource_name(route.name) for route in pipeline.routes)
        self["PYTHONDONTWRITEBYTECODE"] = "1"
        self |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


def _variables(template: str) -> list[str]:
    found = re.findall(r"^ +([A-Z][A-Z_]+): !", template, re.MULTILINE)
    return [name for name in found if not name.startswith(("AWS_", "POWERTOOLS_", "TAILRACE_PIPELINE"))]


def run(show: Show) -> list[Result]:
    """Start every function a few times in a fresh interpreter, alternating with a bare one."""
    with TemporaryDirectory(prefix="tailrace-as-deployed-") as folder:
        show("(d) sam build")
        built = Path(folder) / "build"
        build_as_deployed(built)
        layer = built / "TailraceLayer/python"
        if not loads_libraries():
            use_own_libraries(layer, Path(sysconfig.get_path("platlib")))
        uncompiled = Path(folder) / "uncompiled"
        shutil.copytree(layer, uncompiled, ignore=shutil.ignore_patterns("__pycache__"))
        results = []
        for stage in STAGES:
            show(f"(d) starting {stage}")
            function = built / f"{stage.capitalize()}Function"
            above = _startup_overhead_ms(layer, function)
            results.append(Result("d", f"init of {stage} above the bare interpreter", above, "ms", target="250 ms"))
            if stage == "aggregate":
                title = "init of aggregate without the layer's bytecode"
                results.append(Result("d", title, _startup_overhead_ms(uncompiled, function), "ms"))
        size = sum(path.stat().st_size for path in layer.rglob("*") if path.is_file()) / 1e6
    return [*results, Result("d", "the layer, unzipped", size, "MB", target="40 MB")]


def _startup_overhead_ms(layer: Path, function: Path) -> float:
    """Return the milliseconds of CPU time of a start beyond a bare interpreter's."""
    times = []
    for _ in range(_ROUNDS):
        bare = _start()
        times.append(_start(str(layer), str(function)) - bare)
    return median(times)


def _start(*arguments: str) -> float:
    command = [sys.executable, "-S", "-c", _SCRIPT, *arguments]
    printed = subprocess.run(command, env=Environment(), check=True, capture_output=True, text=True)  # noqa: S603
    return float(printed.stdout.split()[-1])
