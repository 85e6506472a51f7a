"""Routes of a single item; each response carries the item's entity tag."""

from collections.abc import Callable
from typing import Any

from tailrace.aws.api.request_time import request_stamp
from tailrace.aws.api.responses import ApiResponse, empty_response, json_response
from tailrace.aws.items.rows import StoredItem, arriving, key_attributes
from tailrace.aws.items.store import ItemStore
from tailrace.definition.item_keys import CollectionKey
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.http.requests import (
    Event,
    decode_item_id,
    item_path,
    parse_json_object,
    parse_merge_patch,
    query_parameters,
    request_preconditions,
)

_EXPIRES_AT = "expires_at"
_MAX_EXPIRY_DIGITS = 20


class ItemRoutes:
    """Routes of one item; its id is in the path, or (for any characters) in the query parameter ``id``."""

    def __init__(self, pipeline: Pipeline, items: ItemStore, event: Callable[[], Event]) -> None:
        self._pipeline = pipeline
        self._items = items
        self._event = event

    def put(self, collection: str, escaped: str | None = None) -> ApiResponse:
        """Store a whole item: 201 if it is new, otherwise 200."""
        name, options_given = self._address(collection, escaped, _EXPIRES_AT)
        given = StoredItem(parse_json_object(self._event()), _expiry(options_given.get(_EXPIRES_AT)))
        stored = arriving(self._pipeline, collection, name, given, request_stamp(self._event()))
        created = self._items.put(
            collection, name, stored.item, stored.expires_at, request_preconditions(self._event())
        )
        headers = {"ETag": stored.etag} | ({"Location": item_path(collection, name)} if created else {})
        return json_response(201 if created else 200, dumps(stored.item), headers)

    def patch(self, collection: str, escaped: str | None = None) -> ApiResponse:
        """Merge a patch into an item (RFC 7396)."""
        name, _ = self._address(collection, escaped)
        change = parse_merge_patch(self._event())
        stored = self._items.patch(collection, name, change, request_preconditions(self._event()))
        return json_response(200, dumps(stored.item), {"ETag": stored.etag})

    def get(self, collection: str, escaped: str | None = None) -> ApiResponse:
        """Return an item, or 304 if the caller already has it."""
        name, _ = self._address(collection, escaped)
        wanted = request_preconditions(self._event())
        found = self._items.get(collection, name)
        etag = found.etag
        if wanted.not_modified(etag):
            return empty_response(304, {"ETag": etag})
        expiry = {} if found.expires_at is None else {_EXPIRES_AT: found.expires_at}
        return json_response(200, dumps({"id": name, "item": found.item} | expiry), {"ETag": etag})

    def delete(self, collection: str, escaped: str | None = None) -> ApiResponse:
        """Delete an item if it exists."""
        name, _ = self._address(collection, escaped)
        self._items.delete(collection, name, request_preconditions(self._event()))
        return empty_response(204)

    def _keys(self, collection: str) -> CollectionKey:
        return self._pipeline.collection(collection).keys

    def _address(self, collection: str, escaped: str | None, *options: str) -> tuple[str, dict[str, str]]:
        """Return the id in a request, and its query parameters; unknown and repeated ones are rejected."""
        self._pipeline.collection(collection)
        known = options if escaped is not None else ("id", *options)
        options_given: dict[str, str] = {}
        for name, value in query_parameters(self._event()):
            if name not in known:
                raise InvalidMessage(f"unknown parameter {name[:60]!r}; expected: {', '.join(known) or 'none'}")
            if name in options_given:
                raise InvalidMessage(f"the parameter {name} is given more than once")
            options_given[name] = value
        if escaped is None and "id" not in options_given:
            raise InvalidMessage("the request names no item: put its id in the path or in the parameter id")
        found = decode_item_id(escaped) if escaped is not None else options_given["id"]
        key_attributes(self._keys(collection), found)
        return found, options_given


def _expiry(text: str | None) -> Any:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _MAX_EXPIRY_DIGITS:
        raise InvalidMessage("expires_at must be a whole number of seconds since 1970")
    return int(text)
