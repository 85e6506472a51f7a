"""Calendar units: days, weeks, months, quarters and years by their labels, such as ``2013-Q1``."""

import calendar
import re
from datetime import date, timedelta

CALENDAR_UNITS = ("day", "week", "month", "quarter", "year")

_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])", re.ASCII)
_MONTHS_PER_QUARTER = 3
_DAYS_PER_WEEK = 7


def date_label(day: date, unit: str) -> str:
    """Return the label of the day, week, month, quarter or year that contains a date."""
    text = day.isoformat()
    match unit:
        case "day":
            return text
        case "week":
            return monday(day).isoformat()
        case "month":
            return text[: len("YYYY-MM")]
        case "quarter":
            return f"{text[: len('YYYY')]}-Q{(day.month - 1) // _MONTHS_PER_QUARTER + 1}"
    return text[: len("YYYY")]


def first_day(label: str) -> date:
    """Return the first date of a calendar unit; for any longer text, such as an hour's label, the date it begins with.

    Raises:
        ValueError: there is none.
    """
    found = _QUARTER.match(label)
    if found is not None:
        return date(int(found[1]), (int(found[2]) - 1) * _MONTHS_PER_QUARTER + 1, 1)
    text = label[: len("YYYY-MM-DD")]
    return date.fromisoformat(text + "-01-01"[len(text) - len("YYYY") :])  # completes a year or a month


def last_day(label: str, unit: str) -> date:
    """Return the last date of a calendar unit, by its label; for the calendar's last week, the last that exists."""
    first = first_day(label)
    match unit:
        case "day":
            return first
        case "week":
            return date.fromordinal(min(first.toordinal() + _DAYS_PER_WEEK - 1, date.max.toordinal()))
    month = {"month": first.month, "quarter": first.month + _MONTHS_PER_QUARTER - 1}.get(unit, 12)
    return date(first.year, month, calendar.monthrange(first.year, month)[1])


def monday(day: date) -> date:
    """Return the Monday of a date's week."""
    return day - timedelta(days=day.weekday())
