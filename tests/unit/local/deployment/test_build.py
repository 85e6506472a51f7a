"""A build is packaged once and completely; one that differs in the definition only is derived from another."""

import io
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from local.deployment import build, derived_build
from local.deployment.layers import pointer_text


class Bucket:
    """The artifacts bucket, with the objects that `sam package` uploaded."""

    def get_paginator(self, operation: str) -> Self:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **_request: Any) -> Iterator[dict[str, Any]]:
        yield {"Contents": [{"Key": "0123"}, {"Key": "of another build"}]}
        yield {"Contents": [{"Key": "4567"}]}

    def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(f"content of {request['Key']}".encode())}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the SAM CLI with one that only writes the template; return the actions it was called with."""
    called: list[str] = []

    def sam(action: str, arguments: Sequence[str | Path], _environment: Any) -> None:
        called.append(action)
        Path(arguments[arguments.index("--output-template-file") + 1]).write_text("packaged: 0123, 4567")

    monkeypatch.setattr(build, "BUILDS", tmp_path / "builds")
    monkeypatch.setattr(build, "_run_sam", sam)
    return called


def test_a_build_is_packaged_once(packages: list[str], tmp_path: Path) -> None:
    folders = {build.package(Bucket(), "http://127.0.0.1:1", tmp_path) for _ in range(2)}
    assert packages == ["package"]
    (folder,) = folders
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"template.yaml": "packaged: 0123, 4567", "0123": "content of 0123", "4567": "content of 4567"}


def test_an_interrupted_package_is_repeated(
    packages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "get_object", lambda *_request, **_more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build.package(Bucket(), "http://127.0.0.1:1", tmp_path)
    folder = build.package(Bucket(), "http://127.0.0.1:1", tmp_path)
    assert packages == ["package", "package"]
    assert sorted(path.name for path in folder.iterdir()) == ["0123", "4567", "template.yaml"]


class Checkout:
    """A layer with a definition, and a build of it as `sam build`, `mount_layers` and `sam package` leave it."""

    def __init__(self, folder: Path) -> None:
        self.layer = folder / "layer"
        self.builds = folder / "builds"
        for name, text in {
            "pipeline/definition.py": "VERSION = 1",
            "pipeline/gone.py": "",
            "rules.py": "",
            "tailrace/engine.py": "",
        }.items():
            (self.layer / name).parent.mkdir(parents=True, exist_ok=True)
            (self.layer / name).write_text(text)

    def build(self) -> Path:
        home = self.builds / "whole"
        python = home / "layers" / derived_build.LAYER / "python"
        shutil.copytree(self.layer, python)
        (python / "boto3").mkdir()
        pointer = home / derived_build.LAYER / derived_build.POINTER
        pointer.parent.mkdir(parents=True)
        pointer.write_text(pointer_text(python))
        (home / "packaged").mkdir()
        for key, name in (("aaaa", str(derived_build.POINTER)), ("bbbb", "handler.py")):
            with zipfile.ZipFile(home / "packaged" / key, "w") as archive:
                archive.writestr(name, "")
        (home / "packaged" / "template.yaml").write_text("layer: s3://b/aaaa\nfunction: s3://b/bbbb\n")
        derived_build.write_notes(home, "engine", None)
        return home


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = Checkout(tmp_path)
    for function in (derived_build.definition_sources, derived_build.definition_files):
        monkeypatch.setattr(function, "__defaults__", (made.layer,))
    monkeypatch.setattr(derived_build, "LAYER_SOURCES", made.layer)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.rglob("*", recurse_symlinks=True))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


def test_a_derived_build_has_the_present_definition(checkout: Checkout) -> None:
    base = checkout.build()
    before = contents(base)
    (checkout.layer / "pipeline" / "definition.py").write_text("VERSION = 2")
    (checkout.layer / "pipeline" / "gone.py").unlink()
    (checkout.layer / "more").mkdir()
    (checkout.layer / "more" / "new.py").write_text("NEW = 1")
    (checkout.layer / "pipeline" / "definition.lock.json").write_text("{}")
    home = checkout.builds / "derived"
    derived_build.derive_build(base, checkout.builds / "partial", home)
    (checkout.builds / "partial").rename(home)
    assert contents(base) == before  # though the other one is linked to it
    python = home / "layers" / derived_build.LAYER / "python"
    found = {name for name in contents(python) if not name.startswith("boto3")}
    assert found == {
        "pipeline/definition.lock.json",
        "pipeline/definition.py",
        "more/new.py",
        "rules.py",
        "tailrace/engine.py",
    }
    assert (python / "pipeline" / "definition.py").read_text() == "VERSION = 2"
    assert (python / "boto3").is_dir()
    pointer = (home / derived_build.LAYER / derived_build.POINTER).read_text()
    assert pointer == pointer_text(python)
    (layer,) = (path for path in (home / "packaged").iterdir() if path.name not in ("bbbb", "template.yaml"))
    with zipfile.ZipFile(layer) as archive:
        assert archive.read(str(derived_build.POINTER)).decode() == pointer
    assert (home / "packaged" / "template.yaml").read_text() == f"layer: s3://b/{layer.name}\nfunction: s3://b/bbbb\n"


def test_a_build_of_another_engine_is_no_base(checkout: Checkout) -> None:
    base = checkout.build()
    assert derived_build.find_base(checkout.builds, "engine") == base
    assert derived_build.find_base(checkout.builds, "another") is None
    shutil.rmtree(base / "packaged")  # a build that was never deployed
    assert derived_build.find_base(checkout.builds, "engine") is None


def test_a_build_stays_as_long_as_another_is_derived_from_it(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = checkout.build()
    monkeypatch.setattr(build, "BUILDS", checkout.builds)
    for number in range(build.KEPT_BUILDS + 2):
        made = checkout.builds / f"derived {number}"
        derived_build.derive_build(base, made, made)
        derived_build.write_notes(made, "engine", base)
        os.utime(made, (number + 10, number + 10))
    os.utime(base, (1, 1))
    assert derived_build.find_base(checkout.builds, "engine") == base
    build._remove_old_builds()
    left = sorted(path.name for path in checkout.builds.iterdir())
    assert left == [*(f"derived {number}" for number in range(2, build.KEPT_BUILDS + 2)), "whole"]
    assert (made / "layers" / derived_build.LAYER / "python" / "tailrace" / "engine.py").exists()


def test_a_build_stays_as_long_as_a_running_stack_uses_it(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, six others removed it, as of definitions that were saved and refused: no function could start then."""
    base = checkout.build()
    monkeypatch.setattr(build, "BUILDS", checkout.builds)
    derived_build.derive_build(base, checkout.builds / "used", checkout.builds / "used")
    derived_build.write_notes(checkout.builds / "used", "engine", base)
    build._hold(checkout.builds / "used")
    for number in range(build.KEPT_BUILDS):
        made = checkout.builds / f"other {number}"
        made.mkdir()
        derived_build.write_notes(made, "engine", None)
    for old in (base, checkout.builds / "used"):
        os.utime(old, (1, 1))
    build._remove_old_builds()
    assert {"used", "whole"} <= {path.name for path in checkout.builds.iterdir()}
    build.hold_only(made)
    build._remove_old_builds()
    assert {"used", "whole"} & {path.name for path in checkout.builds.iterdir()} == set()


def test_what_editors_leave_is_no_source(checkout: Checkout) -> None:
    for name in (".#definition.py", "definition.py~", "definition.cpython-313.pyc"):
        (checkout.layer / "pipeline" / name).write_text("")
    found = [str(path.relative_to(checkout.layer)) for path in derived_build.definition_files()]
    assert found == ["pipeline/definition.py", "pipeline/gone.py", "rules.py"]


def test_links_are_followed_as_long_as_they_lead_on(checkout: Checkout, tmp_path: Path) -> None:
    """Before, a derived build lacked linked folders, and a link to nowhere ended the start."""
    base = checkout.build()
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "rules.py").write_text("")
    (shared / "again").symlink_to(shared)
    pipeline = checkout.layer / "pipeline"
    (pipeline / "shared").symlink_to(shared)
    (pipeline / "itself").symlink_to(pipeline)
    (pipeline / "nowhere.py").symlink_to(tmp_path / "nowhere.py")
    (pipeline / "round.py").symlink_to(pipeline / "round.py")
    found = [str(path.relative_to(checkout.layer)) for path in derived_build.definition_files()]
    assert found == ["pipeline/definition.py", "pipeline/gone.py", "pipeline/shared/rules.py", "rules.py"]
    derived_build.derive_build(base, checkout.builds / "new", checkout.builds / "new")
    python = checkout.builds / "new" / "layers" / derived_build.LAYER / "python"
    assert (python / "pipeline" / "shared" / "rules.py").exists()


def test_a_folder_that_disappears_while_it_is_listed_has_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another branch was checked out: a watched stack goes on."""
    for name in ("kept", "removed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").touch()
    listed = Path.iterdir

    def remove(folder: Path) -> Iterator[Path]:
        if folder.name == "removed":
            shutil.rmtree(folder)
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", remove)
    assert list(derived_build.source_files(tmp_path)) == [tmp_path / "kept" / "module.py"]


def test_a_name_that_is_no_text_is_part_of_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text("")
    assert build.digest_of([path]) != build.digest_of([])


def test_sam_build_runs_in_a_locale_that_is_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    """In de_DE.ISO-8859-1, it could not decode what `make` says."""
    monkeypatch.setenv("LC_ALL", "de_DE.ISO-8859-1")
    assert build._sam_environment()["LC_ALL"] == "C.UTF-8"


def test_a_checkout_that_was_moved_has_other_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds contain their own paths, and `.tools` may be a link to another checkout's."""
    monkeypatch.setattr(build, "SOURCES", ())
    monkeypatch.setattr(build, "definition_files", lambda: iter(()))
    before = build.engine_fingerprint()
    monkeypatch.setattr(build, "ROOT", tmp_path)
    assert build.engine_fingerprint() != before


def test_the_definition_of_this_repository_is_the_pipeline() -> None:
    """What else lies in the layer's folder belongs to the engine or to its build."""
    assert [path.name for path in derived_build.definition_sources()] == ["pipeline"]
