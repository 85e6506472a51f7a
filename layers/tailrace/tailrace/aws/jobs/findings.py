"""What a verification finds: rows that are not as they should be."""

from msgspec import Struct

from tailrace.backfill.comparison import Difference
from tailrace.backfill.generations import Generation
from tailrace.encoding.tagged_json import dumps


class Finding(Struct, frozen=True):
    """A row that is not as it should be, with what it should hold; ``kind`` says why it is reported.

    ``untold`` marks one that does not exist, or lacks a lane, although changes of it were journaled since the baseline:
    without its marks, nobody can tell which of them it had absorbed.
    """

    kind: str
    difference: Difference
    expected: tuple[object, ...]
    order: object = None
    undecidable: bool = False
    repaired: bool = False

    def line(self, generation: Generation) -> bytes:
        """Return the finding as a line of the report."""
        found = self.difference
        return dumps(
            {
                "aggregate": generation.aggregate,
                "version": generation.version,
                "pk": found.key[0],
                "sk": found.key[1],
                "finding": self.kind,
                "stored": found.row.counters,
                "expected": self.expected,
                "stored_order": dict(found.row.order) if found.order else None,
                "expected_order": self.order if found.order else None,
                "repaired": self.repaired,
            }
        ).encode()
