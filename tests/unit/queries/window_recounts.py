"""What a moving sum must be: a recount of the items in the window of each bucket."""

import re
from collections import defaultdict
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.times.calendar_units import first_day


def window_start(window: str, zone: tzinfo, end: datetime) -> datetime:
    """Return when the window of a bucket within a day begins, by other means than the code under test."""
    number, unit = int(re.sub(r"[a-z]+", "", window)), window.lstrip("0123456789")
    if unit in ("h", "min", "s"):
        return end - number * {"h": timedelta(hours=1), "min": timedelta(minutes=1), "s": timedelta(seconds=1)}[unit]
    days = number * (7 if unit == "w" else 1)
    local = end.astimezone(zone).replace(tzinfo=None) - timedelta(days=days)
    # the first instant at which the clock shows that time, or has passed it
    return min(
        at
        for quarters in range(-4 * 30, 4 * 30)
        if (at := end - timedelta(days=days) + timedelta(minutes=15 * quarters)).astimezone(zone).replace(tzinfo=None)
        >= local
    )


def window_dates(window: str, step: Any, label: str) -> tuple[date, date]:
    """Return the first and last date of the window of a day or a longer bucket."""
    number, unit = int(re.sub(r"[a-z]+", "", window)), window.lstrip("0123456789")
    begin = first_day(label)
    days = [begin + timedelta(days=number) for number in range(367)]
    last = max(day for day in days if step.label(datetime.combine(day, time(12), step.zone)) == label)
    if unit in ("d", "w"):
        return last - timedelta(days=number * (7 if unit == "w" else 1) - 1), last
    month = last.year * 12 + last.month - number * {"mo": 1, "q": 3, "y": 12}[unit]
    return date(month // 12, month % 12 + 1, 1), last


def labels_between(shown: BucketGroup, first: datetime, last: datetime) -> list[str]:
    """Return the labels of the buckets from one instant to another."""
    labels = [shown.label(first)]
    while (moment := shown.end(labels[-1])) <= last:
        labels.append(shown.label(moment))
    return labels


def recount(
    group: BucketGroup, shown: BucketGroup, window: str, ends: list[datetime], items: list[dict[str, Any]]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how many items each shop has in the window of each bucket between the ends, and their sum."""
    stored_of = [(str(group.value(item)), item) for item in items]
    expected: dict[tuple[str, str], tuple[int, int]] = {}
    for label in labels_between(shown, *ends):
        sums: dict[str, list[int]] = defaultdict(list)
        for stored, item in stored_of:
            if shown.is_within_day:
                end = shown.end(label)
                is_within = window_start(window, shown.zone, end) <= group.start(stored) < end
            else:
                first, last = window_dates(window, shown, label)
                is_within = first <= datetime.fromisoformat(item["at"]).astimezone(shown.zone).date() <= last
            if is_within:
                sums[item["shop"]].append(item["x"])
        expected |= {(label, shop): (len(xs), sum(xs)) for shop, xs in sums.items()}
    return expected
