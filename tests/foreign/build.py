"""A build of the stack whose layer also holds the tests' definitions, which no deployment contains."""

import shutil
from pathlib import Path

from local.deployment import build, deploy
from local.deployment.derived_build import LAYER, base_of, derive_build
from local.deployment.emulator import ROOT, Emulator

DEFINITIONS = "tests/pipelines"


def build_with_test_definitions(folder: Path) -> Path:
    """Derive a build in `folder` from the packaged one of the present sources."""
    built, target = packaged_build(), folder / "build"
    derive_build(built, folder / "partial", target)
    (folder / "partial").rename(target)
    python = target / "layers" / LAYER / "python"
    shutil.copytree(ROOT / DEFINITIONS, python / DEFINITIONS, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def packaged_build() -> Path:
    """Return a build of the repository that others can be derived from."""
    built = build.build()
    built = base_of(built) or built
    if not (built / "packaged").exists():
        emulator = Emulator.start()
        try:
            s3 = deploy.client("s3", emulator.endpoint)
            s3.create_bucket(Bucket=build.ARTIFACTS_BUCKET)
            build.package(s3, emulator.endpoint, built)
        finally:
            emulator.stop()
    return built
