"""Patterns of filter criteria."""

import json

from local.mapping import Filter


def fits(pattern: object, event: object) -> bool:
    return Filter.parse({"Filters": [{"Pattern": json.dumps(pattern)}]}).passes(json.dumps(event))
