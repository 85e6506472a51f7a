"""The simulation's own client of an existing table."""

import pytest

from tests.simulation.jobs.attached import ReadOnly, Written
from tests.simulation.jobs.world import World


def test_a_client_of_the_simulation_refuses_writes_to_the_table() -> None:
    client = ReadOnly(World(1).dynamodb, "items")
    with pytest.raises(Written):
        client.put_item(TableName="items", Item={})
    with pytest.raises(Written):
        client.delete_item(TableName="items", Key={})
