"""A mounted layer is imported from where it was built, in front of the interpreter's own packages."""

import subprocess
import sys
from pathlib import Path

from local.mounting import SITE_PACKAGES, mount_layers


def test_a_layer_is_replaced_by_a_pointer_to_it(tmp_path: Path) -> None:
    build, home = tmp_path / "partial", tmp_path / "whole"
    layer = build / "SomeLayer" / "python"
    layer.mkdir(parents=True)
    (layer / "json.py").write_text("WHO = 'the layer'\n")  # as a layer's own boto3 before the emulator's
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
