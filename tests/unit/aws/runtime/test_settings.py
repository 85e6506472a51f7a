"""What functions are told by their environment: whatever is missing is named, all of it at once."""

from typing import Any

import pytest

from tailrace.aws.runtime.deadlines import remaining_time_ms, timely
from tailrace.aws.runtime.settings import ApiSettings, FanoutSettings, IngestSettings, LoadSettings, route_queues
from tailrace.errors import SettingsError, Transient

OPTIONAL = {"tailrace_pipeline", "write_entrances", "jwt_read_scope", "jwt_write_scope"}
COMPLETE = {
    "ITEMS_TABLE": "items",
    "ARCHIVE_BUCKET": "archive",
    "FAILURES_BUCKET": "failures",
    "HISTORY_BUCKET": "history",
    "PROGRESS_TABLE": "progress",
    "LOAD_FUNCTION": "load",
}


def test_settings_are_read_by_the_names_of_their_fields() -> None:
    found = LoadSettings.parse(COMPLETE | {"SOMETHING_ELSE": "x"})
    assert (found.items_table, found.archive_bucket, found.failures_bucket) == ("items", "archive", "failures")
    assert found.tailrace_pipeline == "pipeline.definition:pipeline"
    assert LoadSettings.parse(COMPLETE | {"TAILRACE_PIPELINE": "mine:it"}).tailrace_pipeline == "mine:it"
    assert LoadSettings.parse(COMPLETE | {"TAILRACE_PIPELINE": ""}).tailrace_pipeline == "pipeline.definition:pipeline"


def test_equal_environments_give_one_key_for_a_cache() -> None:
    assert len({LoadSettings.parse(COMPLETE), LoadSettings.parse(dict(COMPLETE))}) == 1
    assert LoadSettings.parse(COMPLETE) != LoadSettings.parse(COMPLETE | {"ITEMS_TABLE": "others"})


@pytest.mark.parametrize("settings", [LoadSettings, IngestSettings, ApiSettings, FanoutSettings])
def test_all_that_is_missing_is_named_at_once(settings: type[LoadSettings]) -> None:
    with pytest.raises(SettingsError, match="template.yaml") as raised:
        settings.parse({})
    for field in set(settings.__struct_fields__) - OPTIONAL:
        assert field.upper() in str(raised.value)


def test_what_is_empty_is_missing() -> None:
    with pytest.raises(SettingsError, match="ITEMS_TABLE") as raised:
        LoadSettings.parse(COMPLETE | {"ITEMS_TABLE": ""})
    assert "ARCHIVE_BUCKET" not in str(raised.value)


def test_each_route_has_its_queue() -> None:
    sqs = "https://sqs.eu-west-1.amazonaws.com/1"
    settings = FanoutSettings(
        archive_queue=f"{sqs}/mine-archive", routes="Disruptions,LateFlights", failures_bucket="f", progress_table="p"
    )
    assert route_queues(settings, ["late-flights", "disruptions"]) == {
        "late-flights": (f"{sqs}/mine_LateFlights", f"{sqs}/mine_LateFlights-dead"),
        "disruptions": (f"{sqs}/mine_Disruptions", f"{sqs}/mine_Disruptions-dead"),
    }
    with pytest.raises(SettingsError, match="no queue for a, b-2: deploy it with Routes=A,Disruptions,B2"):
        route_queues(settings, ["a", "disruptions", "b-2"])


def test_without_a_context_there_is_no_deadline() -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 7

    assert remaining_time_ms(Context())() == 7
    assert remaining_time_ms(None)() > 900_000


def test_a_timely_client_begins_no_call_when_no_time_is_left() -> None:
    class Client:
        calls = 0

        def get_item(self, **_request: Any) -> int:
            self.calls += 1
            return self.calls

    left, client = iter([True, False, True]), Client()
    limited = timely(client, lambda: next(left))
    assert limited.get_item(Key="a") == 1
    with pytest.raises(Transient, match="no time is left"):
        limited.get_item(Key="a")
    assert limited.get_item(Key="a") == 2
