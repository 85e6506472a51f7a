"""Laws of the mappings: whatever arrives and whatever the function answers, nothing is lost and order is kept."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from local.mapping import (
    Backoff,
    DiscardedRecords,
    Failed,
    InvocationResult,
    Message,
    QueueMapping,
    QueueSettings,
    Returned,
    SourceQueue,
    StreamInvocation,
    StreamRecord,
    StreamSettings,
    StreamShard,
    Throttled,
)

FAULTS = st.lists(st.sampled_from(["fine", "raise", "throttle", "part", "nonsense", "no state"]), max_size=40)

PLAIN = {
    "batch_size": st.integers(1, 6),
    "batching_window_s": st.sampled_from([0, 1, 7]),
    "report_failures": st.booleans(),
    "bisect": st.booleans(),
    "payload_limit": st.sampled_from([900, 2000, 10_000]),
}
LASTING = st.builds(StreamSettings, **PLAIN, tumbling_window_s=st.sampled_from([0, 5, 60]))
LIMITS = {
    "maximum_retry_attempts": st.sampled_from([-1, 0, 1, 3]),
    "maximum_record_age_s": st.sampled_from([-1, 5, 60]),
}
SETTINGS = st.one_of(
    st.builds(StreamSettings, **PLAIN, **LIMITS, tumbling_window_s=st.sampled_from([0, 5, 60])),
    st.builds(StreamSettings, **PLAIN, **LIMITS, parallelization=st.integers(2, 10)),
)

# How long after the one before it each record comes (0: in the same read), and its size.
ARRIVALS = st.lists(st.tuples(st.integers(0, 9), st.integers(10, 600)), min_size=1, max_size=40)


def answer_to(fault: str, identifiers: list[str], state: object) -> InvocationResult:
    match fault:
        case "raise":
            return Failed("boom")
        case "throttle":
            return Throttled()
        case "part" if identifiers:
            middle = identifiers[len(identifiers) // 2]
            return Returned({"state": state, "batchItemFailures": [{"itemIdentifier": middle}]})
        case "nonsense":
            return Returned({"state": state, "batchItemFailures": [{"itemIdentifier": "nobody"}]})
        case "no state":
            return Returned({"batchItemFailures": []})
    return Returned({"state": state, "batchItemFailures": []})


@dataclass(slots=True)
class Played:
    """The calls that a mapping made of a shard, and what became of its records, by number."""

    shard: StreamShard[int]
    calls: list[StreamInvocation[int]] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    discarded: list[int] = field(default_factory=list)


def run_stream(settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]) -> Played:
    """Play a shard to its end."""
    shard: StreamShard[int] = StreamShard(
        settings, shard_id="s", source_arn="arn", now=0, backoff=Backoff(initial_s=1, max_s=4)
    )
    played = Played(shard)
    now = arrival = 0.0
    waiting = list(enumerate(arrivals))
    script = iter(faults)
    for _ in range(4000):
        if waiting and arrival + waiting[0][1][0] <= now:
            number, (gap, size) = waiting.pop(0)
            arrival += gap
            shard.add([StreamRecord(f"{number:021d}", arrival, size, number, str(number % 4), number % 9 != 8)], now)
            continue
        shard.mark_caught_up(now)
        step = shard.next_invocation(now)
        if isinstance(step, DiscardedRecords):
            played.discarded += [record.content for record in step.records]
        elif step is not None:
            now += 0.5
            played.calls.append(step)
            sequences = [record.sequence for record in step.records]
            answer = answer_to(next(script, "fine"), sequences, {"n": len(played.calls)})
            outcome = shard.complete(step, answer, now)
            played.done += [record.content for record in step.records[: outcome.acknowledged]]
            if outcome.discarded is not None:
                played.discarded += [record.content for record in outcome.discarded.records]
        else:
            due = shard.next_time()
            times = [arrival + waiting[0][1][0]] if waiting else []
            times += [due] if due is not None else []
            if not times:
                return played
            now = max(now, min(times))
    raise AssertionError("the shard never came to rest")


def passing(arrivals: list[tuple[int, int]]) -> list[int]:
    return [number for number in range(len(arrivals)) if number % 9 != 8]


@given(LASTING, ARRIVALS, FAULTS)
def test_without_limits_every_record_is_acknowledged_once_and_in_order(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    assert run_stream(settings, arrivals, faults).done == passing(arrivals)


@given(SETTINGS, ARRIVALS, FAULTS)
def test_every_record_is_acknowledged_or_given_up_once_and_in_the_order_of_its_item(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    played = run_stream(settings, arrivals, faults)
    assert sorted([*played.done, *played.discarded]) == passing(arrivals)
    for item in range(4):
        mine = [number for number in played.done if number % 4 == item]
        assert mine == sorted(mine)
    assert (played.shard.settled, played.shard.pending) == (len(arrivals), 0)
    assert played.shard.checkpoint == f"{len(arrivals) - 1:021d}"


@given(SETTINGS, ARRIVALS, FAULTS)
def test_the_first_delivery_of_an_item_is_in_order(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    calls = run_stream(settings, arrivals, faults).calls
    first = list(dict.fromkeys(record.content for call in calls for record in call.records))
    for item in range(4):
        mine = [number for number in first if number % 4 == item]
        assert mine == sorted(mine)
    if settings.parallelization == 1:
        assert first == sorted(first)


@given(SETTINGS, ARRIVALS, FAULTS)
def test_no_batch_is_over_its_limits(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    for call in run_stream(settings, arrivals, faults).calls:
        assert len(call.records) <= settings.batch_size
        size = sum(record.size for record in call.records)
        assert size <= settings.payload_limit or len(call.records) == 1


@given(LASTING, ARRIVALS, FAULTS)
def test_every_tumbling_window_has_one_final_call_that_succeeds_and_comes_last(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    order: list[tuple[object, bool]] = []
    for call in run_stream(settings, arrivals, faults).calls:
        if call.fields:
            window = call.fields["window"]
            assert isinstance(window, dict)
            entry = (window["start"], call.fields["isFinalInvokeForWindow"] is True)
            if not order or order[-1] != entry:
                order.append(entry)
    starts = sorted({str(start) for start, _ in order})
    assert order == [(start, final) for start in starts for final in (False, True)]


QUEUES = st.builds(
    QueueSettings,
    batch_size=st.integers(1, 4),
    batching_window_s=st.sampled_from([0, 3]),
    report_failures=st.booleans(),
    fifo=st.booleans(),
    concurrency=st.integers(1, 3),
    payload_limit=st.sampled_from([900, 10_000]),
)


@given(QUEUES, st.lists(st.tuples(st.sampled_from("abc"), st.integers(10, 600)), max_size=30), FAULTS)
def test_every_message_of_a_queue_is_deleted_once_in_the_order_of_its_group_and_within_the_limits(
    settings: QueueSettings, sent: list[tuple[str, int]], faults: list[str]
) -> None:
    rules: QueueMapping[int] = QueueMapping(settings, now=0)
    queue = [
        Message(str(number), f"r{number}", group if settings.fifo else None, 1e9, size, number)
        for number, (group, size) in enumerate(sent)
    ]
    deleted: list[Message[int]] = []
    script = iter(faults)
    now = 0.0
    while queue or rules.pending:
        received, queue = queue[: rules.capacity], queue[rules.capacity :]
        rules.add(received, now)
        call = rules.next_invocation(now)
        if call is None:
            due = rules.next_time()
            assert due is not None
            now = max(now, due)
            continue
        assert len(call.messages) <= settings.batch_size
        assert sum(message.size for message in call.messages) <= settings.payload_limit or len(call.messages) == 1
        fault = next(script, "fine")
        # a good function stops at the first failure of a FIFO group and reports everything after it
        identifiers = [message.id for message in call.messages]
        answer = answer_to("raise" if fault == "part" and settings.fifo else fault, identifiers, None)
        settled = rules.complete(call, answer, now)
        deleted += settled.delete
        queue = sorted([*settled.retained, *queue], key=lambda message: message.content)
    assert sorted(message.content for message in deleted) == list(range(len(sent)))
    if settings.fifo:
        for group in "abc":
            mine = [message.content for message in deleted if message.group == group]
            assert mine == sorted(mine)


@given(QUEUES, st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=20), FAULTS, st.integers(1, 4))
def test_with_visibility_and_dead_letters_every_message_is_deleted_or_dead_and_groups_stay_in_order(
    settings: QueueSettings, sent: list[tuple[str, bool]], faults: list[str], most: int
) -> None:
    queue, rules = SourceQueue(settings.visibility_s, most), QueueMapping[int](settings, now=0)
    for number, (group, _) in enumerate(sent):
        queue.send(str(number), 0, group=group if settings.fifo else None)
    deleted: list[int] = []
    receives: Counter[int] = Counter()
    script, now = iter(faults), 0.0
    while len(queue):
        received = queue.receive(now, rules.capacity)
        receives.update(int(message.body) for message in received)
        messages = [
            Message(message.id, message.receipt, message.group, message.hidden_until, 50, number, sent[number][1])
            for message in received
            for number in (int(message.body),)
        ]
        gone = rules.add(messages, now).delete
        call = rules.next_invocation(now)
        if call is not None:
            fault = next(script, "fine")
            identifiers = [message.id for message in call.messages]
            answer = answer_to("raise" if fault == "part" and settings.fifo else fault, identifiers, None)
            now += 0.5
            gone += rules.complete(call, answer, now).delete
        for message in gone:
            queue.delete(message.receipt)
        deleted += [message.content for message in gone]
        if not gone and call is None and len(queue):
            now = min(at for at in (queue.next_time(now), rules.next_time()) if at is not None and at > now)
    dead = [int(message.body) for message in queue.dead_letters]
    assert sorted([*deleted, *dead]) == list(range(len(sent)))
    assert all(count <= most for count in receives.values())
    assert all(receives[number] == most for number in dead)
    passed = [number for number in deleted if sent[number][1]]
    for group in "abc" if settings.fifo else "":
        mine = [number for number in passed if sent[number][0] == group]
        assert mine == sorted(mine)
