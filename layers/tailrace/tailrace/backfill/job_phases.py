"""The phases of jobs, in words: what a job does, or waits for, as its row shows it to operators and readers.

The text of a phase may continue with what the job waits for.
"""

SETTLING = "waiting for earlier invocations to end"
PASSING_BOUNDARY = "waiting for the boundary to pass"
READING_ITEMS = "reading the items"
PASSING_SNAPSHOT = "waiting for the stream to pass the snapshot"
READING_DISCARDED = "reading discarded batches"
READING_JOURNAL = "reading the journal"
COMPUTING_BASE = "computing the base"
WRITING_BASE = "writing the base"
REMOVING_EMPTY_ROWS = "removing rows that are empty"
PASSING_REPAIR = "waiting for invocations from before the repair to end"
LISTING_ROWS = "listing the rows"
READING_ROWS = "reading the rows"
READING_JOURNAL_AGAIN = "reading the journal again"
COMPARING_ROWS = "comparing the rows"

_GATHERING = (
    SETTLING,
    PASSING_BOUNDARY,
    READING_ITEMS,
    PASSING_SNAPSHOT,
    READING_DISCARDED,
    READING_JOURNAL,
    COMPUTING_BASE,
)
BUILD_PHASES = (*_GATHERING, WRITING_BASE, REMOVING_EMPTY_ROWS)
"""In which a build spends its time, in their order."""

VERIFY_PHASES = (*_GATHERING, PASSING_REPAIR, LISTING_ROWS, READING_ROWS, READING_JOURNAL_AGAIN, COMPARING_ROWS)
"""In which a verification spends its time, in their order."""
