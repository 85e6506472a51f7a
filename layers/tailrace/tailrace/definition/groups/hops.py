"""Hopping windows: groups in which an item is in every window that contains its time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Unpack

from tailrace.definition.fields.arguments import check_options
from tailrace.definition.groups.buckets import CLOCK_UNITS, DAY, BucketGroup, TimeOptions, bucket
from tailrace.errors import DefinitionError

MAX_WINDOWS = 100
"""The most windows that contain one moment: an item is in as many rows."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class HopGroup(BucketGroup):
    """A group by overlapping windows. Each begins with a bucket and has ``windows`` consecutive buckets.

    A bucket in which the clock changes is two, so windows that contain its parts are shorter than others.
    A window's label is that of its first bucket. The value of an item is the label of the newest window that contains
    it; :meth:`labels` gives the others.
    """

    windows: int = 1

    @property
    def spelled(self) -> str:
        """The group as a definition has it, without its size."""
        return f"hop({self.source!r})"

    def labels(self, newest: str) -> Iterator[str]:
        """Yield the labels of the windows that contain a bucket, the newest first; none before the calendar begins."""
        label = newest
        yield label
        for _ in range(self.windows - 1):
            try:
                label = self.label(self.start(label) - _MICROSECOND)
            except (ValueError, OverflowError):
                return
            yield label

    def last_end(self, label: str) -> datetime:
        """Return the instant (UTC) at which the window with this label ends.

        Raises:
            OverflowError: it is after the calendar.
        """
        end = self.end(label)
        for _ in range(self.windows - 1):
            end = self.end(self.label(end))
        return end


def hop(source: str, *, size: timedelta, every: timedelta, **options: Unpack[TimeOptions]) -> HopGroup:
    """Group by windows of length ``size``, a new one each ``every``; the row attribute is ``hop``, or ``name``.

    The first window of a day begins at local midnight, the others follow at intervals of ``every``: a number of
    seconds, minutes or hours that divides a day, or one day.

    Raises:
        DefinitionError: ``size`` is not 2 to 100 times ``every``, ``every`` does not divide a day, or an option is
            unknown.

    Example:
        >>> from tailrace import hop, hours
        >>> last_three = hop("at", size=hours(3), every=hours(1))
        >>> list(last_three.labels(last_three.value({"at": "2024-06-01T01:30Z"})))
        ['2024-06-01T01:00+00:00', '2024-06-01T00:00+00:00', '2024-05-31T23:00+00:00']
    """
    for name, duration in (("size", size), ("every", every)):
        if not isinstance(duration, timedelta) or duration <= timedelta():
            raise DefinitionError(f"hop({source!r}): {name}= must be a duration such as hours(1), not {duration!r}")
    if size % every or not 1 < size // every <= MAX_WINDOWS:
        raise DefinitionError(
            f"hop({source!r}): size= must be 2 to {MAX_WINDOWS} times every=, because an item is in that many rows"
        )
    check_options(f"hop({source!r})", options, TimeOptions.__annotations__)
    step = _step(source, every, options)
    name = options.get("name") or "hop"
    return HopGroup(step.source, name, step.unit, step.zone, step.size, step.epoch_unit, windows=size // every)


def _step(source: str, every: timedelta, options: TimeOptions) -> BucketGroup:
    if every == DAY:
        return bucket("day", source, **options)
    for unit in ("hour", "minute", "second"):
        length = CLOCK_UNITS[unit]
        if not every % length and every < DAY and not DAY % every:
            return replace(bucket(unit, source, **options), size=every // length)
    raise DefinitionError(f"hop({source!r}): every= must divide a day, or be one day, not {every}")
