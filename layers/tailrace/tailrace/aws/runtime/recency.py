"""How long ago something was, by a clock that may be set back meanwhile."""

from datetime import datetime, timedelta


def is_recent(moment: datetime, now: datetime, span: timedelta) -> bool:
    """Tell whether a moment is less than that long ago.

    A moment in the future is not: the clock was set back since, and what was kept would be kept until it has caught up.
    """
    return timedelta() <= now - moment < span
