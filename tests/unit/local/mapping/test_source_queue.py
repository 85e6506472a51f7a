"""The queue itself: visibility, receives, dead letters, groups."""

from local.mapping import SourceQueue


def bodies(queue: SourceQueue, now: float, most: int = 10) -> str:
    return "".join(message.body for message in queue.receive(now, most))


def filled(queue: SourceQueue, *sent: tuple[str, str | None]) -> SourceQueue:
    for body, group in sent:
        queue.send(body, 0, group=group)
    return queue


def test_a_received_message_is_hidden_until_its_visibility_timeout_ends() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    queue = filled(SourceQueue(visibility_s=30), ("a", None))
    assert [bodies(queue, at) for at in (0, 29)] == ["a", ""]
    assert queue.next_time(29) == 30
    assert bodies(queue, 30) == "a"


def test_a_deleted_message_is_never_received_again() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    queue = filled(SourceQueue(visibility_s=30), ("a", None))
    queue.delete(queue.receive(0)[0].receipt)
    assert (bodies(queue, 60), len(queue), queue.next_time(60)) == ("", 0, None)


def test_an_old_receipt_does_not_delete_a_message_received_again() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html"""
    queue = filled(SourceQueue(visibility_s=30), ("a", None))
    old = queue.receive(0)[0]
    queue.receive(30)
    queue.delete(old.receipt)
    assert len(queue) == 1


def test_a_message_moves_to_the_dead_letter_queue_after_its_maximum_receives() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"""
    queue = filled(SourceQueue(visibility_s=30, max_receive_count=2), ("a", None), ("b", None))
    first = queue.receive(0)
    queue.delete(first[1].receipt)
    assert [message.count for message in queue.receive(30)] == [2]
    assert queue.receive(60) == []
    assert ([message.body for message in queue.dead_letters], len(queue)) == (["a"], 0)


def test_a_redriven_message_has_its_full_number_of_receives_again() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html"""
    queue = filled(SourceQueue(visibility_s=30, max_receive_count=1), ("a", None))
    queue.receive(0)
    queue.receive(30)
    queue.redrive(30)
    assert (bodies(queue, 30), queue.dead_letters) == ("a", [])


def test_a_group_is_blocked_while_one_of_its_messages_is_hidden() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"""
    queue = filled(SourceQueue(visibility_s=30), ("a", "g"), ("b", "g"), ("c", "h"))
    first = queue.receive(0, 1)[0]
    assert bodies(queue, 1) == "c"
    queue.delete(first.receipt)
    assert bodies(queue, 2) == "b"


def test_messages_of_a_group_are_received_together_and_in_order() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html"""
    queue = filled(SourceQueue(), ("a", "g"), ("b", "g"), ("c", "g"))
    assert bodies(queue, 0) == "abc"
