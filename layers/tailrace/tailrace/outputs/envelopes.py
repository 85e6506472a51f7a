"""Event envelopes: changes as CloudEvents 1.0, in JSON that keeps every digit, set and byte.

Sources: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, its JSON format, and the ``dataref``
extension (claim check) for events too large for a message.
"""

from tailrace.encoding.json_types import Json


def envelope(  # noqa: PLR0913 - the attributes of a CloudEvent; grouping them would only hide that
    *,
    event_id: str,
    source: str,
    collection: str,
    subject: str,
    time: str,
    kind: str,
    data: Json,
) -> Json:
    """Return the CloudEvent for a change of an item.

    ``kind`` is inserted, modified, removed or expired; ``time`` is ISO 8601 in UTC; ``data`` is
    ``{old, new, shard, sequence}`` with transformed items (or None) as ``old`` and ``new``.
    """
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"tailrace.{collection}.{kind}",
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }
