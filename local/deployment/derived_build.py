"""Derive a build from another one that differs only in the definition, without the half minute of `sam build`.

The definition is whatever is in the layer's folder next to the engine: `pipeline/`, and other modules of the user. All
else is linked to the other build, which therefore has to stay.
"""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.deployment.layers import SITE_PACKAGES, pointer_text

ROOT = Path(__file__).resolve().parents[2]
LAYER_SOURCES = ROOT / "layers" / "tailrace"
LAYER = "TailraceLayer"
POINTER = SITE_PACKAGES / "mounted.pth"
PACKAGED = "packaged"
PACKAGED_TEMPLATE = "template.yaml"
NOTES = "definition.json"
ENGINE_SOURCES = {"Makefile", "platforms", "requirements.txt", "slim_sdk.py", "tailrace"}
IGNORED_FOLDERS = {"__pycache__", "node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
IGNORED_SUFFIXES = (".pyc", "~", ".swp", ".tmp")


def definition_sources(layer: Path = LAYER_SOURCES) -> list[Path]:
    """Return the definition's modules and packages, sorted."""
    found = [path for path in sorted(layer.iterdir()) if path.name not in ENGINE_SOURCES | IGNORED_FOLDERS]
    return [path for path in found if not path.name.startswith(".") and is_source(path.name)]


def definition_files(layer: Path = LAYER_SOURCES) -> Iterator[Path]:
    """Yield the definition's files."""
    for source in definition_sources(layer):
        yield from source_files(source)


def source_files(source: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield a file, or a folder's files in a fixed order, without caches and what editors leave behind.

    Links to folders are followed, except links to a folder that contains them: one of those `above`.
    """
    if source.is_file():
        yield source
        return
    place = source.resolve()
    if place in above:
        return
    try:
        found = sorted(source.iterdir())
    except OSError:  # it was removed in the meantime, or it cannot be read
        return
    folders = {path for path in found if path.is_dir()}
    yield from (path for path in found if path not in folders and path.is_file() and is_source(path.name))
    for folder in sorted(folders):
        if folder.name not in IGNORED_FOLDERS:
            yield from source_files(folder, (*above, place))


def is_source(name: str) -> bool:
    """Whether a file decides what is built."""
    return not name.endswith(IGNORED_SUFFIXES) and not name.startswith(".#")


def write_notes(build: Path, engine: str, base: Path | None) -> None:
    """Note what a build was made of: a digest of all other sources, the definition's modules, and its base."""
    names = [path.name for path in definition_sources()]
    notes = {"engine": engine, "definition": names, "base": base.name if base else None}
    (build / NOTES).write_text(json.dumps(notes))


def find_base(builds: Path, engine: str) -> Path | None:
    """Return the newest packaged build of the same engine that is not derived itself."""
    found = [path.parent for path in builds.glob(f"*/{NOTES}")]
    whole = [build for build in found if _notes(build)["engine"] == engine and base_of(build) is None]
    return max((build for build in whole if (build / PACKAGED).exists()), key=_age, default=None)


def base_of(build: Path) -> Path | None:
    """Return the build that a derived one is linked to."""
    name = _notes(build).get("base") if (build / NOTES).exists() else None
    return build.with_name(name) if name else None


def _age(build: Path) -> float:
    return build.stat().st_mtime


def derive_build(base: Path, partial: Path, final_folder: Path) -> None:
    """Write `base` with the present definition into `partial`, which is renamed to `final_folder` later."""
    shutil.rmtree(partial, ignore_errors=True)
    python, base_python = (build / "layers" / LAYER / "python" for build in (partial, base))
    python.mkdir(parents=True)
    _link_all(base, partial, {"layers", LAYER, PACKAGED, NOTES})
    _link_all(base_python, python, set(_notes(base)["definition"]) | {path.name for path in definition_sources()})
    for file in definition_files():
        target = python / file.relative_to(LAYER_SOURCES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    pointer = pointer_text(final_folder / "layers" / LAYER / "python")
    (partial / LAYER / SITE_PACKAGES).mkdir(parents=True)
    (partial / LAYER / POINTER).write_text(pointer)
    shutil.copytree(base / PACKAGED, partial / PACKAGED)
    _package_pointer(partial / PACKAGED, pointer)


def _link_all(source: Path, target: Path, excluded: set[str]) -> None:
    for path in source.iterdir():
        if path.name not in excluded:
            (target / path.name).symlink_to(path.resolve())


def _package_pointer(packaged: Path, pointer: str) -> None:
    """Replace the layer's archive and its name in the template."""
    artifacts = [path for path in packaged.iterdir() if path.name != PACKAGED_TEMPLATE]
    (old,) = (path for path in artifacts if zipfile.is_zipfile(path) and _holds_pointer(path))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo(str(POINTER)), pointer)
    key = hashlib.md5(content.getvalue(), usedforsecurity=False).hexdigest()
    template = packaged / PACKAGED_TEMPLATE
    text = template.read_text(encoding="utf-8").replace(old.name, key)
    old.unlink()
    (packaged / key).write_bytes(content.getvalue())
    template.write_text(text, encoding="utf-8")


def _holds_pointer(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return str(POINTER) in archive.namelist()


def _notes(build: Path) -> dict[str, Any]:
    return dict(json.loads((build / NOTES).read_text()))
