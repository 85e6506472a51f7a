"""A mounted layer is imported from the build folder, before the interpreter's own packages."""

import os
import shlex
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from local.deployment import layers
from local.deployment.layers import SITE_PACKAGES, mount_layers


def test_a_layer_is_replaced_by_a_pointer_to_it(tmp_path: Path) -> None:
    build, home = tmp_path / "partial", tmp_path / "whole"
    layer = build / "SomeLayer" / "python"
    layer.mkdir(parents=True)
    (layer / "json.py").write_text("WHO = 'the layer'\n")  # like a layer's boto3, which precedes the emulator's
    function = build / "SomeFunction" / "app.py"
    function.parent.mkdir()
    function.write_text("")
    mount_layers(build, home, Path(sys.executable))
    build.rename(home)

    assert [path.name for path in (home / "SomeLayer").rglob("*") if path.is_file()] == ["mounted.pth"]
    assert (home / "SomeFunction" / "app.py").exists()
    site = home / "SomeLayer" / SITE_PACKAGES
    script = f"import site; site.addsitedir({str(site)!r}); import json; print(json.WHO, json.__file__)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert said == ["the", "layer", str(home / "layers" / "SomeLayer" / "python" / "json.py")]
    assert list((home / "layers").rglob("json.*.pyc"))


def test_compiling_runs_in_its_own_session_without_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Otherwise Ctrl-C prints a traceback of each worker, and a syntax error in a file an unrelated message."""
    build = tmp_path / "partial"
    layer = build / "SomeLayer" / "python"
    layer.mkdir(parents=True)
    (layer / "wrong.py").write_text("def")
    compiler = tmp_path / "python"
    session = "import os, pathlib; pathlib.Path('%s').write_text(str(os.getsid(0)))" % (tmp_path / "session")
    python = shlex.quote(sys.executable)
    compiler.write_text(f'#!/bin/sh\n{python} -c "{session}"\nexec {python} "$@"\n')
    compiler.chmod(0o755)
    mount_layers(build, tmp_path / "whole", compiler)
    assert int((tmp_path / "session").read_text()) != os.getsid(0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("foreign", ["_core.cpython-313-aarch64-linux-gnu.so", "_core.abi3.so"])
def test_where_lambdas_libraries_cannot_be_loaded_those_of_this_environment_are_used(
    foreign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS, and on Linux with musl: functions could not import msgspec. What this environment lacks stays."""
    own, package = EXTENSION_SUFFIXES[0], tmp_path / "partial" / "SomeLayer" / "python" / "package"
    for folder, name in ((package, foreign), (package, f"other{own}"), (tmp_path / "own" / "package", f"_core{own}")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(folder.parent.name, encoding="utf-8")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "own"))
    monkeypatch.setattr(layers, "loads_libraries", lambda: False)
    mount_layers(tmp_path / "partial", tmp_path / "whole", Path(sys.executable))
    mounted = tmp_path / "partial" / "layers" / "SomeLayer" / "python" / "package"
    found = {path.name: path.read_text(encoding="utf-8") for path in mounted.iterdir()}
    assert found == {f"_core{own}": "own", f"other{own}": "python"}


@pytest.mark.parametrize(
    ("suffix", "loads"),
    [
        (".cpython-313-aarch64-linux-gnu.so", True),
        (".cpython-313-x86_64-linux-gnu.so", True),
        (".cpython-313-x86_64-linux-musl.so", False),
        (".cpython-313-darwin.so", False),
    ],
)
def test_lambdas_libraries_are_those_of_linux_with_glibc(
    suffix: str, loads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_config_var", {"EXT_SUFFIX": suffix}.get)
    assert layers.loads_libraries() is loads
