"""No module imports itself through others, and none imports a test; tests and benchmarks included."""

from functools import cache

from tests.architecture.sources.files import PACKAGES, imports_among, named
from tests.architecture.stack import ROOT

MODULES = named(PACKAGES | {name: ROOT / name for name in ("functions", "tests", "benchmarks")})


@cache
def imports() -> dict[str, set[str]]:
    """Return what each module imports."""
    return imports_among(MODULES)


def test_no_import_runs_in_a_circle() -> None:
    """Neither does one that only a type checker follows."""
    imported = imports()
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a circle: {' → '.join((*path[path.index(module) :], module))}"
        if module not in done:
            for other in sorted(imported[module]):
                walk(other, (*path, module))
            done.add(module)

    for module in MODULES:
        walk(module, ())


def test_no_module_imports_a_test_module() -> None:
    """What tests share lies beside them, or in a conftest.py: else one cannot be moved or run without the other."""
    tests = {name for name in MODULES if name.rpartition(".")[2].startswith("test_")}
    assert tests
    assert {name: found for name, others in imports().items() if (found := others & tests)} == {}
