"""The rows of one table."""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from local.in_memory.errors import invalid
from local.in_memory.values import Row, Value

type Key = tuple[str, ...]
type ChangeListener = Callable[[Row, Row | None, Row | None], None]
"""Called for every write that changed a row, like a stream: with the key, the old row and the new row."""


class Table(Struct):
    """The rows of a table, by key, and the same by partition. Key attributes are strings."""

    key_names: tuple[str, ...]
    on_change: ChangeListener | None
    rows: dict[Key, Row] = field(default_factory=dict)
    partitions: dict[str, dict[Key, Row]] = field(default_factory=dict)

    def key(self, given: Mapping[str, Value]) -> Key:
        """Return the key of a row; refuse one that DynamoDB would refuse."""
        try:
            key = tuple([given[name]["S"] for name in self.key_names])
        except KeyError:
            raise invalid("The provided key element does not match the schema") from None
        if "" in key:
            raise invalid("One or more parameter values are not valid. A key attribute cannot be an empty string value")
        return key

    def exact_key(self, given: Mapping[str, Value]) -> Key:
        """Return the key that a request names; refuse one with other attributes."""
        if len(given) != len(self.key_names):
            raise invalid("The provided key element does not match the schema")
        return self.key(given)

    def replace(self, key: Key, new: Row | None) -> Row | None:
        """Replace or remove a row and return the old one. A write that changes nothing does not call `on_change`."""
        old = self.rows.get(key)
        if new is None:
            self.rows.pop(key, None)
            self.partitions.get(key[0], {}).pop(key, None)
        else:
            self.rows[key] = new
            self.partitions.setdefault(key[0], {})[key] = new
        if self.on_change is not None and old != new:
            self.on_change({name: {"S": part} for name, part in zip(self.key_names, key, strict=True)}, old, new)
        return old
