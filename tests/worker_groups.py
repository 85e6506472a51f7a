"""What the workers of pytest-xdist take as one: tests that share a stack, a build, filled tables or a file."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# The longest come first, so that all workers end together.
GROUPS = {
    "chaos": ("tests/chaos/test_chaos.py",),
    "sam_local": ("tests/sam_local/", "tests/architecture/test_artifacts.py"),
    "stacks that announce themselves": ("tests/stack/test_lifecycle.py", "tests/stack/test_demo.py"),
    "a stack that fails": ("tests/stack/failing/",),
    "a stack with jobs": ("tests/stack/test_history.py",),
    "stack": ("tests/stack/",),
    "reading": ("tests/storage/reading/",),
    "a dashboard's stack": ("tests/browser/test_stack.py",),
    "a hosted stack": ("tests/browser/test_hosted.py",),
}
APART = (
    "tests/storage/test_openapi.py", "tests/simulation/", "tests/hostile/",
    "tests/unit/queries/test_clock_changes.py", "tests/unit/aws/stages/test_load_continued.py",
)  # fmt: skip
"""What takes long and shares nothing: each test for itself. All others stay together by file."""


def group_of(test: str) -> str:
    """Return the group of a test by its id."""
    found = next((name for name, members in GROUPS.items() if test.startswith(members)), None)
    return found or (test if test.startswith(APART) else test.partition("::")[0])


def rank(test: str) -> int:
    """Return where a test stands in the order, by its id."""
    order = [*GROUPS.values(), APART]
    return next((place for place, members in enumerate(order) if test.startswith(members)), len(order))


class Grouped(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Sends each group to one worker, in the order of the tests."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
