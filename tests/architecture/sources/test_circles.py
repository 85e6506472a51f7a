"""No module imports itself through others, tests and benchmarks included."""

from tests.architecture.sources.files import PACKAGES, imports_among, named
from tests.architecture.stack import ROOT

MODULES = named(PACKAGES | {name: ROOT / name for name in ("functions", "tests", "benchmarks")})


def test_no_import_runs_in_a_circle() -> None:
    """Neither does one that only a type checker follows."""
    imported = imports_among(MODULES)
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a circle: {' → '.join((*path[path.index(module) :], module))}"
        if module not in done:
            for other in sorted(imported[module]):
                walk(other, (*path, module))
            done.add(module)

    for module in MODULES:
        walk(module, ())
