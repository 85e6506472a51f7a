"""Event envelopes: changes as CloudEvents 1.0, in JSON that keeps every digit, set and byte.

Sources: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, its JSON format, and the ``dataref``
extension (claim check) for events too large for a message.
"""

from functools import lru_cache
from typing import NamedTuple

from tailrace.encoding.tagged_json import dumps

_quoted_once = lru_cache(maxsize=256)(dumps)
"""For texts that many events share."""


class EventText(NamedTuple):
    """An event as JSON text: the text of its ``data``, and what comes before that, from the opening brace on."""

    attributes: str
    data: str

    @property
    def text(self) -> str:
        """The whole event."""
        return f'{self.attributes},"data":{self.data}}}'

    def with_reference(self, address: str) -> str:
        """Return the event with the address of its data in place of the data."""
        return f'{self.attributes},"dataref":{dumps(address)}}}'


def envelope(  # noqa: PLR0913 - the attributes of a CloudEvent; grouping them would only hide that
    *,
    event_id: str,
    source: str,
    collection: str,
    subject: str,
    time: str,
    kind: str,
    old: str,
    new: str,
    shard: str | None,
    sequence: int,
) -> EventText:
    """Return the CloudEvent for a change of an item.

    ``kind`` is inserted, modified, removed or expired; ``time`` is ISO 8601 in UTC; ``old`` and ``new`` are the JSON of
    the transformed items, or ``null``.
    """
    return EventText(
        f'{{"specversion":"1.0","id":{dumps(event_id)},"source":{_quoted_once(source)},'
        f'"type":"tailrace.{collection}.{kind}","subject":{dumps(subject)},"time":{_quoted_once(time)},'
        '"datacontenttype":"application/json"',
        f'{{"old":{old},"new":{new},"shard":{"null" if shard is None else _quoted_once(shard)},'
        f'"sequence":"{sequence}"}}',
    )
