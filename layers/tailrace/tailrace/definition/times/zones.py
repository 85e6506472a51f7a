"""Time zones, by the rules in the locked package ``tzdata`` and not by those of the machine.

Somewhere, a zone's rules change several times a year, and systems learn of it by their own updates. An item that was
counted under one version of the rules would be taken back from another row under the next. So every process reads the
same version, whatever its machine has, and what a zone's rules say belongs to the meaning of whatever counts by them
(:mod:`tailrace.backfill.fingerprints.meaning`). The user's functions get the same zones from ``zoneinfo``.
"""

import hashlib
import re
import struct
import zoneinfo
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

from tailrace.errors import DefinitionError

FOLDER = Path(str(tzdata.__file__)).parent / "zoneinfo"

_HEADER = 44
_CHARACTERS = 16
_NAME = re.compile(r"<[^>]+>|[A-Za-z]+")

zoneinfo.reset_tzpath([FOLDER])
ZoneInfo.clear_cache()


def time_zone(tz: str) -> ZoneInfo:
    """Return the time zone with this IANA name.

    Raises:
        DefinitionError: the name is unknown.
    """
    try:
        return _loaded(tz)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise _unknown(tz) from error


_loaded = cache(ZoneInfo)


@cache
def zone_rules(tz: str) -> str:
    """Return a digest of what a zone's clock shows at any second: equal rules have the same, whoever wrote the file.

    The source is the zone's TZif file (RFC 8536). Names of offsets, such as CEST, and which of them are summer time
    do not count.

    Raises:
        DefinitionError: the package has no such zone, as for one that was made from the machine's own.
    """
    try:
        data = FOLDER.joinpath(*tz.split("/")).read_bytes()
    except OSError as error:
        raise _unknown(tz) from error
    counts = struct.unpack_from(">6l", data, 20)
    data = data[_HEADER + _size(counts, 4) :]  # the first block has 32-bit times, the second one all of them
    counts = struct.unpack_from(">6l", data, 20)
    footer = data[_HEADER + _size(counts, 8) :].strip().decode()
    names, comma, dates = footer.partition(",")
    described = f"{list(_changes(data, counts[3], counts[4]))} {_NAME.sub(' ', names)}{comma}{dates}"
    return hashlib.sha256(described.encode()).hexdigest()[:_CHARACTERS]


def _unknown(tz: str) -> DefinitionError:
    return DefinitionError(f"unknown time zone {tz!r}; use an IANA name such as 'Europe/Berlin'")


def _size(counts: tuple[int, ...], time: int) -> int:
    """Return the bytes of a block's data, whose times take this many bytes each."""
    in_utc, in_standard, leap_seconds, times, types, characters = counts
    return times * (time + 1) + types * 6 + characters + leap_seconds * (time + 4) + in_standard + in_utc


def _changes(data: bytes, times: int, types: int) -> Iterator[tuple[int | None, int]]:
    """Yield the first offset from UTC in seconds, and each other one with the second since 1970 at which it begins."""
    seconds = struct.unpack_from(f">{times}q", data, _HEADER)
    indexes = struct.unpack_from(f">{times}B", data, _HEADER + times * 8)
    offsets = [struct.unpack_from(">l", data, _HEADER + times * 9 + 6 * index)[0] for index in range(types)]
    shown: int | None = None
    for second, index in chain([(None, 0)], zip(seconds, indexes, strict=True)):
        if offsets[index] != shown:
            shown = offsets[index]
            yield second, shown
