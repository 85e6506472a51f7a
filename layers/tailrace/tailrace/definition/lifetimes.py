"""How long items and rows are kept: items from a time field of their own, rows from the end of their bucket."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from msgspec import Struct

from tailrace.definition.fields.arguments import check_field
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.times.instants import check_epoch_unit, parse_instant, time_error
from tailrace.definition.times.zones import time_zone
from tailrace.encoding.json_types import Item
from tailrace.encoding.times import MAX_EPOCH_SECOND, TimeFormatError
from tailrace.errors import DefinitionError

_EPOCH, _SECOND = datetime.fromtimestamp(0, UTC), timedelta(seconds=1)
_TOO_LATE = TimeFormatError("its expiry (keep= later) is beyond the year 9999")


class Lifetime(Struct, frozen=True):
    """The time from a field's value until DynamoDB may delete the item."""

    keep: timedelta
    path: FieldPath
    zone: tzinfo
    epoch_unit: str

    def expires_at(self, item: Item) -> int | None:
        """Return the second since 1970 at which an item may be deleted; None if the field is missing or null.

        Raises:
            InvalidItem: the field's value is not a time.
        """
        value = self.path.read(item)
        if value is None:
            return None
        try:
            moment = parse_instant(value, self.zone, self.path.source, self.epoch_unit) + self.keep
        except OverflowError as error:
            raise time_error(value, self.path.source, _TOO_LATE) from error
        second = (moment - _EPOCH) // _SECOND  # a float would round the last microsecond up
        if second > MAX_EPOCH_SECOND:  # west of Greenwich
            raise time_error(value, self.path.source, _TOO_LATE)
        return max(second, 0)


def lifetime(context: str, keep: object, source: object, unit: object, tz: str) -> Lifetime | None:
    """Return the lifetime of a collection with these arguments; None without ``keep=``.

    Raises:
        DefinitionError: they are invalid, or incomplete.
    """
    if keep is None and source is None:
        if (unit, tz) != ("s", "UTC"):
            raise DefinitionError(f"{context}: keep_unit= and keep_tz= are for the times of keep= and keep_from=")
        return None
    if keep is None:
        raise DefinitionError(f"{context}: keep_from= needs keep=, how long an item is kept after it")
    if not isinstance(keep, timedelta) or keep < timedelta(0):
        raise DefinitionError(f"{context}: keep= must be a duration such as days(30), not {keep!r}")
    if source is None:
        raise DefinitionError(f"{context}: keep= needs keep_from=, the time field that it is counted from")
    check_field(f"{context}: keep_from=", source)
    check_epoch_unit(f"{context}: keep_unit=", unit)
    return Lifetime(keep, field_path(str(source)), time_zone(tz), str(unit))


@lru_cache(maxsize=4096)
def expiry_second(bucket: BucketGroup, label: str, keep: timedelta) -> int | None:
    """Return the second since 1970 at which a row of a bucket may expire; None after the year 9999."""
    try:
        end = bucket.last_end(label)
    except (ValueError, OverflowError):  # at either end of the calendar, in years 1 and 9999
        return 0 if label.startswith("0") else None
    try:
        return int((end + keep).timestamp())
    except OverflowError:
        return None
