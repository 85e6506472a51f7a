"""What the workers of pytest-xdist take as one: tests that share a stack, a build, a database or a file."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# The longest come first, so that all workers end together.
GROUPS = {
    "chaos": ("tests/chaos/test_chaos.py",),
    # the whole of DynamoDB Local, which each worker would start anew; it keeps a processor busy while stacks wait
    "tables": ("tests/storage/", "tests/browser/test_numbers.py", "tests/browser/panels/test_shapes.py"),
    "sam_local": ("tests/sam_local/", "tests/architecture/test_artifacts.py"),
    "stacks that announce themselves": ("tests/stack/test_lifecycle.py", "tests/stack/test_demo.py"),
    "a stack that fails": ("tests/stack/failing/",),
    "a stack with jobs": ("tests/stack/test_history.py",),
    "stack": ("tests/stack/",),
    "a dashboard's stack": ("tests/browser/test_stack.py",),
    "a hosted stack": ("tests/browser/test_hosted.py",),
}
APART = (
    "tests/simulation/", "tests/hostile/", "tests/unit/queries/test_clock_changes.py",
    "tests/unit/aws/stages/test_load_continued.py",
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
    """Sends each group to one worker, in the order of the tests where `_assign_work_unit` does not change it."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _assign_work_unit(self, node: Any) -> None:
        """Give a worker the next group; two workers have no stack, so that processors are busy while stacks wait."""
        others = [units for other, units in self.assigned_work.items() if other is not node]
        waiting = sum(
            any(name in GROUPS and not all(unit.values()) for name, unit in units.items()) for units in others
        )
        is_next = waiting < max(1, len(self.nodes) - 2)
        chosen = next((name for name in self.workqueue if (name in GROUPS) == is_next), None)
        if chosen is not None:
            self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
