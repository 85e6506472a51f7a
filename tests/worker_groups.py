"""What the workers of pytest-xdist take as one: tests that share a stack, a build, a database or a file."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# The longest come first, so that all workers end together.
STACKS = {
    "stack": ("tests/stack/",),  # what the others do not name
    "chaos": ("tests/chaos/test_chaos.py",),
    "stacks of checkouts": ("tests/stack/checkouts/",),
    "attached stacks": ("tests/stack/attachment/",),
    "a stack with jobs": ("tests/stack/test_history.py",),
    "a stack that fails": ("tests/stack/failing/",),
    "sam_local": ("tests/sam_local/", "tests/architecture/test_artifacts.py"),
    "stacks that announce themselves": ("tests/stack/test_lifecycle.py", "tests/stack/test_demo.py"),
    "a dashboard's stack": ("tests/browser/test_stack.py",),
    "a stack that enforces policies": ("tests/review/test_roles.py",),
    "a hosted stack": ("tests/browser/test_hosted.py",),
}  # fmt: skip
"""Groups that often wait: for a stack, or for containers."""

TABLES = ("tests/storage/", "tests/browser/test_numbers.py", "tests/browser/panels/test_shapes.py")
"""The whole of DynamoDB Local, which each worker would start anew."""

APART = (
    "tests/simulation/", "tests/hostile/", "tests/unit/queries/calendar/test_clock_changes.py",
    "tests/unit/aws/stages/load/test_checkpoints.py", "tests/unit/aws/stages/load/test_takeovers.py",
)  # fmt: skip
"""What takes long and shares nothing: each test for itself. All others stay together by file."""


def group_of(test: str) -> str:
    """Return the group of a test by its id."""
    members = {member: name for name, members in (*STACKS.items(), ("tables", TABLES)) for member in members}
    found = max((member for member in members if test.startswith(member)), key=len, default=None)
    return members[found] if found else test if test.startswith(APART) else test.partition("::")[0]


def rank(test: str) -> int:
    """Return where a test stands in the order, by its id."""
    order = [*STACKS, "tables"]
    group = group_of(test)
    return order.index(group) if group in order else len(order) + (not test.startswith(APART))


class Grouped(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Sends each group to one worker, in the order of the tests where `_assign_work_unit` does not change it."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _assign_work_unit(self, node: Any) -> None:
        """Give a worker the next group; two workers have no stack, so that processors are busy while stacks wait."""
        others = [units for other, units in self.assigned_work.items() if other is not node]
        waiting = sum(
            any(name in STACKS and not all(unit.values()) for name, unit in units.items()) for units in others
        )
        is_next = waiting < max(1, len(self.nodes) - 2)
        chosen = next((name for name in self.workqueue if (name in STACKS) == is_next), None)
        if chosen is not None:
            self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
