"""The mappings' settings in the template."""

from copy import replace
from functools import cache
from typing import Any

from local.deployment.template import template
from local.mapping import QueueSettings, StreamSettings
from tests.architecture.stack import mapping_of, properties
from tests.simulation.world.steps import Reader


@cache
def template_settings(reader: Reader) -> StreamSettings:
    """Return the settings of a reader's mapping in the template."""
    found = mapping_of(reader)
    if found is None:
        raise LookupError(f"{reader} has no mapping")
    return StreamSettings.parse({name: _resolved(value) for name, value in found[1].items()})


def _resolved(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value == {"Fn::If": ["WritesBehind", {"Ref": "WriteBehindSeconds"}, 900]}:
        return 900
    if "Ref" in value:
        return template()["Parameters"][value["Ref"]]["Default"] if value["Ref"] in template()["Parameters"] else value
    if "Fn::GetAtt" in value:
        name = value["Fn::GetAtt"][0]
        service = template()["Resources"][name]["Type"].split("::")[1].lower()
        return f"arn:aws:{service}:::{name}"
    return {name: _resolved(part) for name, part in value.items()}


@cache
def archive_settings(batch_size: int, batching_window_s: int) -> QueueSettings:
    """Return the settings of the archive's mapping in the template, with small batches."""
    found = mapping_of("archive")
    if found is None:
        raise LookupError("archive has no mapping")
    given = {name: _resolved(value) for name, value in found[1].items()}
    visibility = properties("ArchiveQueue")["VisibilityTimeout"]
    parsed = QueueSettings.parse(given, fifo=False, visibility_s=visibility)
    return replace(parsed, batch_size=batch_size, batching_window_s=batching_window_s)
