"""Laws of the mappings: whatever arrives and whatever the function answers, nothing is lost and order is kept."""

from hypothesis import given
from hypothesis import strategies as st

from local.mapping import (
    Answer,
    Backoff,
    Failed,
    Message,
    QueueMapping,
    QueueSettings,
    Returned,
    StreamInvocation,
    StreamRecord,
    StreamSettings,
    StreamShard,
    Throttled,
)

FAULTS = st.lists(st.sampled_from(["fine", "raise", "throttle", "part", "nonsense", "no state"]), max_size=40)

SETTINGS = st.builds(
    StreamSettings,
    batch_size=st.integers(1, 6),
    batching_window_s=st.sampled_from([0, 1, 7]),
    tumbling_window_s=st.sampled_from([0, 5, 60]),
    report_failures=st.booleans(),
    payload_limit=st.sampled_from([900, 2000, 10_000]),
)

# How long after the one before it each record comes (0: in the same read), and its size.
ARRIVALS = st.lists(st.tuples(st.integers(0, 9), st.integers(10, 600)), min_size=1, max_size=40)


def answer_to(fault: str, identifiers: list[str], state: object) -> Answer:
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


def run_stream(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> tuple[list[StreamInvocation[int]], list[int]]:
    """Play a shard to its end. Returns the calls made, and the records acknowledged."""
    shard: StreamShard[int] = StreamShard(
        settings, shard_id="s", source_arn="arn", now=0, backoff=Backoff(first_s=1, longest_s=4)
    )
    calls, acknowledged, now = [], [], 0.0
    waiting = list(enumerate(arrivals))
    arrival = 0.0
    script = iter(faults)
    for _ in range(2000):
        if waiting and arrival + waiting[0][1][0] <= now:
            number, (gap, size) = waiting.pop(0)
            arrival += gap
            shard.add([StreamRecord(f"{number:021d}", arrival, size, number)], now)
            continue
        shard.caught_up(now)
        call = shard.next_invocation(now)
        if call is not None:
            calls.append(call)
            sequences = [record.sequence for record in call.records]
            answer = answer_to(next(script, "fine"), sequences, {"n": len(calls)})
            done = shard.answer(call, answer, now + 0.5)
            acknowledged += [record.content for record in call.records[:done]]
            now += 0.5
            continue
        due = shard.next_time()
        times = [arrival + waiting[0][1][0]] if waiting else []
        times += [due] if due is not None else []
        if not times:
            return calls, acknowledged
        now = max(now, min(times))
    raise AssertionError("the shard never came to rest")


@given(SETTINGS, ARRIVALS, FAULTS)
def test_every_record_is_acknowledged_once_and_in_order(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    _, acknowledged = run_stream(settings, arrivals, faults)
    assert acknowledged == list(range(len(arrivals)))


@given(SETTINGS, ARRIVALS, FAULTS)
def test_the_first_delivery_of_a_shard_is_in_order(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    calls, _ = run_stream(settings, arrivals, faults)
    first: dict[int, None] = dict.fromkeys(record.content for call in calls for record in call.records)
    assert list(first) == list(range(len(arrivals)))


@given(SETTINGS, ARRIVALS, FAULTS)
def test_no_batch_is_over_its_limits(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    calls, _ = run_stream(settings, arrivals, faults)
    for call in calls:
        assert len(call.records) <= settings.batch_size
        size = sum(record.size for record in call.records)
        assert size <= settings.payload_limit or len(call.records) == 1


@given(SETTINGS, ARRIVALS, FAULTS)
def test_every_tumbling_window_has_one_final_call_that_succeeds_and_comes_last(
    settings: StreamSettings, arrivals: list[tuple[int, int]], faults: list[str]
) -> None:
    calls, _ = run_stream(settings, arrivals, faults)
    order: list[tuple[object, bool]] = []
    for call in calls:
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
        received, queue = queue[: rules.room], queue[rules.room :]
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
        settled = rules.answer(call, answer, now)
        deleted += settled.delete
        queue = sorted([*settled.left, *queue], key=lambda message: message.content)
    assert sorted(message.content for message in deleted) == list(range(len(sent)))
    if settings.fifo:
        for group in "abc":
            mine = [message.content for message in deleted if message.group == group]
            assert mine == sorted(mine)
