"""A position in the emulator's stream is found by its number."""

from typing import Any

from local.emulation.sequence_numbers import find_by_number


def test_a_number_is_found_whatever_its_leading_zeros() -> None:
    record = "000000017959683736410000000001"
    streams: dict[str, Any] = {"_get_shard_iterator": dict}
    find_by_number(streams)
    begin = streams["_get_shard_iterator"]
    for number in (record, f"{int(record):021}"):  # as write-behind asks for it
        assert begin({"ShardId": "s", "SequenceNumber": number}) == {"ShardId": "s", "SequenceNumber": record}
    assert begin({"ShardIteratorType": "LATEST"}) == {"ShardIteratorType": "LATEST"}
