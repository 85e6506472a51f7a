"""Repairs rows: a row that differs gets the difference in one write, on conditions that make it happen once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct
from msgspec.structs import replace

from tailrace.aggregation.row_changes import RowChange
from tailrace.aggregation.values.counted_values import ValueState
from tailrace.aws.aggregates.expiry import EmptyRowExpiry
from tailrace.aws.aggregates.order_state import OrderReader
from tailrace.aws.aggregates.update_expressions import (
    ORDER_VERSION,
    REPAIRS,
    flag_request,
    order_request,
    repair_request,
)
from tailrace.aws.aggregates.value_counter import ValueCounter
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.findings import Finding
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.rows import RowSpace
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.backfill.comparison import Difference, is_in_time, stays
from tailrace.backfill.repair import in_order
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.json_types import Json
from tailrace.encoding.keys import RowKey

_TRIES = 8
_TOO_LARGE = "ValidationException"


class Repairer(Struct, frozen=True):
    """Repairs the findings of one generation."""

    context: JobContext
    job: Job
    space: RowSpace
    base: dict[RowKey, RowChange]

    def repair(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Repair what can be repaired, value rows before their main rows, and yield each finding with the outcome.

        Raises:
            Transient: the table cannot be used now; a repetition repairs nothing twice.
            JobEnded: another job has taken the generation, or something was deployed.
        """
        by_key = {one.difference.key: one for one in findings}
        rewritten: dict[RowKey, list[RowKey]] = {}
        done: dict[RowKey, bool] = {}
        self.context.check(self.job)
        for found in in_order(one.difference for one in by_key.values()):
            finding = by_key[found.key]
            if finding.kind == "not judged":
                continue
            parts = found, *found.lanes
            can_be_repaired = not finding.undecidable and all(map(self._can_be_repaired, parts))
            # the flags of other lanes go last: until then, the row lacks something
            done[found.key] = can_be_repaired and all(map(self._repair, parts))
            if not done[found.key]:
                continue
            main = self.space.main_key(found.key)
            if self._is_below(found.key) or (self.space.is_main(found.key) and self.space.aggregate.value_rows):
                rewritten.setdefault(main, []).append(found.key)
        for main, repaired in rewritten.items():
            written = self._rewrite_order(main)
            if not written and main in by_key and by_key[main].difference.row.inexact:
                self._send(flag_request(self.context.aggregates_table, main))  # it still lacks its order measures
            # a main row may agree with its wrong value rows, and then has no finding that would say that it is left
            done |= {key: done.get(key, True) and written for key in (main, *repaired)}
        for key, finding in by_key.items():
            yield replace(finding, repaired=done.get(key, False))

    def _can_be_repaired(self, found: Difference) -> bool:
        """Tell whether a row that was read is still the same one, and will remain so.

        TTL may remove a row after its bucket's end, or after it was emptied; a repair must not bring it back.
        """
        timing, now = self.context.timing, self.context.now
        ends = self.space.expires_at(found.key), found.row.expires_at
        return is_in_time(found.read_at, now) and all(
            stays(end, now, timing.timeout_s, timing.margin_s) for end in ends
        )

    def _repair(self, found: Difference) -> bool:
        """Add what a row lacks; False if it was repaired or made again, or lacks more, since it was read."""
        if not any(found.deltas) and not found.row.inexact:
            return True
        context, known = self.context, self.base.get(found.key)
        expires_at = self.space.expires_at(found.key)
        labels = () if known is None else known.labels
        change = RowChange(self.space.layout(found.key), found.key, labels, expires_at, [(0, found.deltas)])
        request = repair_request(
            context.aggregates_table,
            change,
            found.row.repairs,
            context.clock(),
            existed=found.row.counters is not None,
            inexact=found.row.inexact,
        )
        if not self._send(request) and not self._was_repaired(found):
            return False
        EmptyRowExpiry(context.dynamodb, context.aggregates_table).expire_empty_rows([change], context.clock())
        return True

    def _was_repaired(self, found: Difference) -> bool:
        """Tell whether an earlier run of this part has repaired a row: no other job repairs this generation."""
        return bool(self._read(found.key).get(REPAIRS, 0) == found.row.repairs + 1)

    def _is_below(self, key: RowKey) -> bool:
        return not self.space.is_main(key) and self.space.main_key(key) != key

    def _rewrite_order(self, key: RowKey) -> bool:
        """Write a main row's order attributes as its value rows have them now; False if others keep writing it.

        A row that does not exist has nothing to write.
        """
        context = self.context
        reader = OrderReader(context.dynamodb, context.aggregates_table)
        counter = ValueCounter(context.dynamodb, context.aggregates_table, context.clock)
        for _ in range(_TRIES):
            row = self._read(key)
            if not row:
                return True
            change = RowChange(self.space.aggregate.layout, key, (), self.space.expires_at(key))
            values, states = counter.read_all(change)
            if counter.count(change, values, states, expire_empty=True):
                continue  # the row has another version now
            state = reader.recomputed(change, row.get(ORDER_VERSION, 0))
            state = replace(state, state={**state.state, **_counts(change, values, states)})
            if self._send(order_request(context.aggregates_table, change, state, context.clock())):
                EmptyRowExpiry(context.dynamodb, context.aggregates_table).expire_empty_rows([change], context.clock())
                return True
        return False

    def _read(self, key: RowKey) -> Json:
        with map_aws_errors():
            answer = self.context.dynamodb.get_item(
                TableName=self.context.aggregates_table,
                Key=encode_item({"pk": key[0], "sk": key[1]}),
                ConsistentRead=True,
            )
        return decode_item(answer.get("Item", {}))

    def _send(self, request: Json) -> bool:
        try:
            self.context.dynamodb.update_item(**request)
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED, _TOO_LARGE):
                return False
            raise translate(error) from error
        return True


def _counts(row: RowChange, values: Iterable[RowChange], states: Mapping[RowKey, ValueState]) -> dict[str, int | None]:
    """Return how many of a main row's values are counted, by measure; None for none."""
    counted = row.layout.aggregate.counted
    found = Counter(name for value in values if states[value.key].counted for name in counted[value.layout])
    return {name: found[name] or None for names in counted.values() for name in names}
