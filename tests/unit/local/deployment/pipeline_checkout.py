"""A checkout whose pipeline a test edits."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.definition import pipeline
from tailrace.backfill.fingerprints.lock import MeaningLock
from tailrace.definition.pipeline import load_pipeline

LAYER = Path(__file__).parents[4] / "layers" / "tailrace"
NAME = "definition.lock.json"

type Edit = tuple[str, str, str]


class Checkout:
    """A copy of the pipeline's package, whose definition is imported anew for each command."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.folder = folder / "pipeline"
        shutil.copytree(LAYER / "pipeline", self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.lock.write_text(MeaningLock.of(pipeline).text())  # without what was accepted earlier
        self.said: list[str] = []

    @property
    def lock(self) -> Path:
        return self.folder / NAME

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text()
        assert text.count(old) == 1, old
        (self.folder / file).write_text(text.replace(old, new))

    def run(self, command: Callable[..., None], **options: bool) -> None:
        """Import the definition and call check_lock or write_lock."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
            del sys.modules[name]
        load_pipeline.cache_clear()
        self.said.clear()
        reference = "pipeline.definition:pipeline"
        command(load_pipeline(reference), reference, self.said.append, **options)
