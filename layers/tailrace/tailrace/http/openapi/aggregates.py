"""The OpenAPI paths of aggregates: the list of aggregates, and the rows, rankings and group values of each."""

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import Group
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.ratios import AnyMeasure
from tailrace.encoding.json_types import Json
from tailrace.http.openapi.components import closed_object, error_responses, parameter, reference, response
from tailrace.queries.formats import ROW_MEDIA_TYPES
from tailrace.queries.intervals import RANGE, label_name
from tailrace.queries.moving_sums import measures_without_window
from tailrace.queries.parameter_values import parameter_name
from tailrace.queries.parameters import (
    DEFAULT_LISTED,
    DEFAULT_RANKED,
    DEFAULT_ROWS,
    LIST_ORDERS,
    MAX_FIRST_GROUP_VALUES,
    MAX_LISTED,
    MAX_RANKED,
    MAX_ROWS,
    ORDERS,
    rankable_measures,
    rollup_intervals,
)

_TEXT = {"type": "string"}
_TIME = _TEXT | {"examples": ["2013-01-31", "2013-W05", "2013-01", "2013-Q1", "2013", "2013-01-31T05:00-05:00"]}
_NUMBER_OR_NONE = {"type": ["number", "null"]}
_VALUE = {"type": ["string", "number", "boolean"]}


_FRESHNESS = closed_object(
    {
        "newest_change": {"type": ["string", "null"], "format": "date-time"},
        "age_s": {"type": ["integer", "null"], "minimum": 0},
        "behind_s": {"type": ["integer", "null"], "minimum": 1},
    }
) | {"description": "How fresh the aggregates are: docs/api.md."}
_FRESHNESS_HEADER = {
    "Tailrace-Freshness": {"required": True, "description": "The member `freshness`, as JSON.", "schema": _TEXT}
}
_GENERATION = {
    "version": {"type": "integer"},
    "state": {"enum": ["declared", "building", "live", "interrupted", "retired", "unknown"]},
    "exact": {"type": "boolean", "description": "Whether the rows are known to be exact."},
    "reason": {"type": ["string", "null"], "description": "Why they are not, or why there are none."},
}
_PROGRESS = {"type": ["number", "null"], "minimum": 0, "maximum": 1, "description": "Build progress; null if unknown."}
_READ = closed_object(_GENERATION) | {"description": "The generation that was read: docs/api.md."}
_GENERATION_HEADER = {
    "Tailrace-Generation": {
        "required": True,
        "description": "The member `generation`, as a structured field (RFC 9651).",
        "schema": {"type": "string", "pattern": "^version=[0-9]+, state=[a-z]+, exact=[?][01](;reason=.+)?$"},
    }
}
_LEFT_OUT_HEADER = {
    "Tailrace-Left-Out": {
        "required": False,
        "description": "The member `left_out`, as a structured field (RFC 9651).",
        "schema": _TEXT,
    }
}
_ROLLED_UP: Json = {
    "interval": _TEXT,
    "bucket": _TEXT | {"description": "The member of a row with the label of its interval."},
    "left_out": {
        "type": "object",
        "additionalProperties": _TEXT,
        "description": "Measures that some or all rows of an interval lack, with the reason.",
    },
}
_LINK = {"Link": {"description": 'The next page, as `rel="next"`, up to 5,000 characters.', "schema": _TEXT}}

_STATE, _STATE_HEADERS = {"generation": _READ, "freshness": _FRESHNESS}, _FRESHNESS_HEADER | _GENERATION_HEADER


def row_schema(aggregate: Aggregate) -> Json:
    """Return the schema of a row as the API returns it."""
    bucket, intervals = aggregate.bucket, rollup_intervals(aggregate)
    properties: Json = {group.name: _group_schema(group) for group in aggregate.by}
    properties |= {
        name: _measure_schema(measure) | _annotations(measure) for name, measure in aggregate.measures.items()
    }
    properties["updated_at"] = {"type": "string", "format": "date-time", "description": "When the row last changed."}
    # rows of an interval name their label after it, and omit what does not follow from the rows
    absent = set() if bucket is None else {bucket.name, *measures_without_window(aggregate)}
    required = [name for name in properties if name not in absent]
    labels = [label_name(aggregate, interval) for interval in intervals]
    properties |= {name: _TEXT | {"description": "With this `interval`."} for name in labels if name is not None}
    properties["inexact"] = {"const": True, "description": "A change was left out: its sum has too many digits."}
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def aggregates_path() -> dict[str, Json]:
    """Return the path that lists the aggregates, and its operation."""
    text_or_none = {"type": ["string", "null"]}
    size = {"type": "integer", "description": "How many of `kind` make a time bucket, if several."}
    windows = {"type": "integer", "minimum": 2, "description": "For overlapping windows: the buckets in each."}
    group = closed_object(
        {"name": _TEXT, "kind": _TEXT, "field": _TEXT}, {"time_zone": _TEXT, "size": size, "windows": windows}
    )
    measure = closed_object(
        {"name": _TEXT, "kind": _TEXT, "unit": text_or_none, "description": text_or_none},
        {
            "field": _TEXT,
            "where": {"type": "integer", "description": "Covers only some items; the same number, the same items."},
            "fraction": {"type": "number"},
            "most": {"type": "integer"},
            "additive": {"const": False, "description": "An item may be in several of the buckets of an interval."},
            "show": {"type": "array", "items": _TEXT},
            "numerator": _TEXT,
            "denominator": _TEXT,
        },
    )
    aggregate = closed_object(
        {
            "name": _TEXT,
            "version": {"type": "integer"},
            "collection": _TEXT,
            "description": text_or_none,
            "groups": {"type": "array", "items": group, "description": "In the order of the key."},
            "bucket": text_or_none | {"description": "The name of the time bucket group."},
            "intervals": {"type": "array", "items": _TEXT, "description": "The intervals that its rows roll up to."},
            "listed": {"type": "boolean", "description": "Whether the values of the first group can be listed."},
            "measures": {"type": "array", "items": measure},
            "shown": {"type": ["integer", "null"], "description": "The version whose rows can be read, if any."},
            "generations": {"type": "array", "items": closed_object(_GENERATION, {"progress": _PROGRESS})},
        },
        {
            "keep_s": {"type": "integer", "description": "Seconds that a row is kept after its time bucket ends."},
            "each": _TEXT | {"description": "The field whose elements are counted, instead of items."},
        },
    )
    listed = closed_object({"aggregates": {"type": "array", "items": aggregate}, "freshness": _FRESHNESS})
    operation = {
        "operationId": "get-aggregates",
        "summary": "List the aggregates with their groups, measures and generations.",
        "responses": {"200": response("All aggregates.", listed, _FRESHNESS_HEADER), **error_responses((400, 503))},
    }
    return {"/aggregates": {"get": operation}}


def aggregate_paths(aggregate: Aggregate) -> dict[str, Json]:
    """Return the paths of an aggregate and their operations."""
    head = {"aggregate": {"const": aggregate.name}, "version": {"const": aggregate.version}}
    rows = {"type": "array", "items": reference(f"{aggregate.name}-row")}
    cursor = {"type": "string", "description": "Present if there are more rows: repeat the query with it."}
    page = closed_object(head | {"rows": rows} | _STATE, {"cursor": cursor, "window": _TEXT} | _ROLLED_UP)
    ranking = closed_object(head | {"by": _TEXT, "rows": rows} | _STATE, _ROLLED_UP)

    def operation(verb: str, summary: str, parameters: list[Json], schema: Json, headers: Json) -> Json:
        ok_response = response(summary, schema, _STATE_HEADERS | _LEFT_OUT_HEADER | headers)
        ok_response["content"] |= {
            media_type: {"schema": _TEXT} for media_type in ROW_MEDIA_TYPES if media_type not in ok_response["content"]
        }
        return {
            "get": {
                "operationId": f"get-{aggregate.name}-{verb}",
                "summary": summary,
                "tags": [f"{aggregate.name} rows"],
                "parameters": parameters,
                "responses": {"200": ok_response, **error_responses((400, 406, 422, 503))},
            }
        }

    root = f"/aggregates/{aggregate.name}"
    return _list_path(aggregate, root) | {
        f"{root}/rows": operation("rows", "Rows in key order.", _row_parameters(aggregate), page, _LINK),
        f"{root}/top": operation("top", "Top rows by a measure.", _top_parameters(aggregate), ranking, {}),
    }


def _list_path(aggregate: Aggregate, root: str) -> dict[str, Json]:
    """Return the path that lists the first group's values, if the aggregate keeps that list."""
    if aggregate.group_list is None:
        return {}
    first = aggregate.by[0]
    value = closed_object({"value": _group_schema(first), "items": {"type": "integer", "minimum": 1}})
    head = {"aggregate": {"const": aggregate.name}, "version": {"const": aggregate.version}}
    head |= {"group": {"const": first.name}, "groups": {"type": "array", "items": value}} | _STATE
    schema = closed_object(
        head, {"cursor": {"type": "string", "description": "Present if there are more values and order=key."}}
    )
    count = {"type": "integer", "minimum": 1, "maximum": MAX_LISTED, "default": DEFAULT_LISTED}
    order = {"enum": list(LIST_ORDERS), "default": LIST_ORDERS[0]}
    operation = {
        "operationId": f"get-{aggregate.name}-groups",
        "summary": f"List the values of {first.name} with their item counts.",
        "tags": [f"{aggregate.name} rows"],
        "parameters": [
            parameter("n", "query", count, "Maximum number of values."),
            parameter("order", "query", order, "Most items first, or key order."),
            parameter("cursor", "query", _TEXT, "The cursor of the previous page; requires order=key."),
        ],
        "responses": {
            "200": response("Values of the first group.", schema, _STATE_HEADERS | _LINK),
            **error_responses((400, 422, 503)),
        },
    }
    return {f"{root}/groups": {"get": operation}}


def _group_parameters(aggregate: Aggregate, first: Json | None = None) -> list[Json]:
    bucket = aggregate.bucket
    parameters = [
        parameter(
            parameter_name(group),
            "query",
            _TIME if group is bucket else first if index == 0 and first else _TEXT,
            "A group's value; give groups in key order.",
            required=index == 0 and group is not bucket,
        )
        for index, group in enumerate(aggregate.by)
    ]
    if bucket is None:
        return parameters
    text = "An instant, a date, a week, a month, a quarter or a year, inclusive; replaces the bucket parameter."
    return [*parameters, *(parameter(end, "query", _TIME, text) for end in ("from", "to"))]


_FIRST_VALUES = {
    "type": "array", "items": _TEXT, "minItems": 1, "maxItems": MAX_FIRST_GROUP_VALUES, "uniqueItems": True
}  # fmt: skip


def _interval_parameter(aggregate: Aggregate) -> list[Json]:
    if aggregate.bucket is None or aggregate.hop is not None:
        return []
    intervals = [*rollup_intervals(aggregate), RANGE]
    return [parameter("interval", "query", {"enum": intervals}, "Roll rows up by interval, or over the whole range.")]


def _window_parameter(aggregate: Aggregate) -> list[Json]:
    if aggregate.bucket is None or aggregate.hop is not None or not aggregate.linear:
        return []
    text = "The length of a window: each row has the sums of the window that ends with its bucket."
    return [parameter("window", "query", _TEXT | {"examples": ["24h", "7d", "12mo"]}, text)]


def _row_parameters(aggregate: Aggregate) -> list[Json]:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": DEFAULT_ROWS}
    return [
        *_group_parameters(aggregate, _FIRST_VALUES),
        *_interval_parameter(aggregate),
        *_window_parameter(aggregate),
        parameter("order", "query", {"enum": list(ORDERS), "default": "asc"}, "Ascending or descending key order."),
        parameter("limit", "query", limit, "Maximum number of rows per page."),
        parameter("cursor", "query", _TEXT, "The cursor of the previous page."),
    ]


def _top_parameters(aggregate: Aggregate) -> list[Json]:
    count = {"type": "integer", "minimum": 1, "maximum": MAX_RANKED, "default": DEFAULT_RANKED}
    by = {"enum": rankable_measures(aggregate)} if rankable_measures(aggregate) else _TEXT
    return [
        *_group_parameters(aggregate, _FIRST_VALUES),
        *_interval_parameter(aggregate),
        parameter("by", "query", by, "The measure to rank by.", required=True),
        parameter("n", "query", count, "Maximum number of rows."),
        parameter("order", "query", {"enum": list(ORDERS), "default": "desc"}, "Greatest or smallest first."),
    ]


def _group_schema(group: Group) -> Json:
    return _TEXT if isinstance(group, BucketGroup) else _VALUE


def _measure_schema(measure: AnyMeasure) -> Json:
    match measure.kind:
        case "count" | "count_items":
            return {"type": "integer"}  # from an inexact row, an item that was never counted may be removed
        case "distinct":
            return {"type": "integer", "minimum": 0}
        case "total":
            return {"type": "number"}
        case "mean" | "variance" | "ratio":
            return _NUMBER_OR_NONE
        case "top":
            counted = {"value": _VALUE, "count": {"type": "integer", "minimum": 1}}
            return {"type": "array", "items": closed_object(counted)}
        case "largest" | "smallest" if isinstance(measure, OrderMeasure):
            or_none = {"type": ["string", "number", "boolean", "null"]}
            return {"type": "array", "items": closed_object(dict.fromkeys(measure.members, or_none))}
        case "first" | "last" if isinstance(measure, OrderMeasure):
            timed = {"at": {"type": "string", "format": "date-time"}}
            place = {"by": _VALUE} if measure.values.at is None else timed
            return {"anyOf": [{"type": "null"}, closed_object({"value": _VALUE} | place)]}
    return {"type": ["string", "number", "boolean", "null"]}


def _annotations(measure: AnyMeasure) -> Json:
    described = {} if measure.description is None else {"description": measure.description}
    return described | ({} if measure.unit is None else {"x-unit": measure.unit})
