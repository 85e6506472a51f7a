"""Derive a build from another one that differs only in the definition: half a second instead of half a minute.

The definition is whatever lies in the layer's folder beside the engine: `pipeline/`, and other modules of the user.
Files that are the same in both builds are hard links, so changed ones are replaced, never written to.
"""

import hashlib
import io
import json
import os
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
ENGINE_SOURCES = {"tailrace", "requirements.txt"}
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


def source_files(source: Path) -> Iterator[Path]:
    """Yield a file, or a folder's files in a fixed order, without caches and what editors leave."""
    if source.is_file():
        yield source
        return
    for folder, subfolders, files in os.walk(source):
        subfolders[:] = sorted(set(subfolders) - IGNORED_FOLDERS)
        yield from (Path(folder) / file for file in sorted(files) if is_source(file))


def is_source(name: str) -> bool:
    """Whether a file decides what is built."""
    return not name.endswith(IGNORED_SUFFIXES) and not name.startswith(".#")


def write_notes(build: Path, engine: str) -> None:
    """Note what a build was made of: a digest of all other sources, and the definition's modules."""
    notes = {"engine": engine, "definition": [path.name for path in definition_sources()]}
    (build / NOTES).unlink(missing_ok=True)
    (build / NOTES).write_text(json.dumps(notes))


def find_base(builds: Path, engine: str) -> Path | None:
    """Return the newest packaged build of the same engine."""
    found = [path.parent for path in builds.glob(f"*/{NOTES}") if _notes(path.parent).get("engine") == engine]
    packaged = [build for build in found if (build / PACKAGED).exists()]
    return max(packaged, key=lambda build: build.stat().st_mtime, default=None)


def derive_build(base: Path, partial: Path, final_folder: Path) -> None:
    """Write `base` with the present definition into `partial`, which is renamed to `final_folder` later."""
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(base, partial, symlinks=True, copy_function=os.link)
    python = partial / "layers" / LAYER / "python"
    for name in _notes(base)["definition"]:
        _remove(python / name)
    for source in definition_sources():
        for file in source_files(source):
            target = python / file.relative_to(LAYER_SOURCES)
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove(target)
            shutil.copy2(file, target)
    pointer = pointer_text(final_folder / "layers" / LAYER / "python")
    _replace(partial / LAYER / POINTER, pointer.encode())
    _package_pointer(partial / PACKAGED, pointer)


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
    _remove(old)
    _replace(packaged / key, content.getvalue())
    _replace(template, text.encode())


def _holds_pointer(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return str(POINTER) in archive.namelist()


def _notes(build: Path) -> dict[str, Any]:
    return dict(json.loads((build / NOTES).read_text()))


def _replace(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
