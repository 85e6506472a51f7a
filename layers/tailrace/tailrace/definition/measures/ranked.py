"""Measures of the items at an end of an order: largest and smallest with fields of their items, first and last."""

from collections.abc import Sequence
from typing import Unpack

from tailrace.definition.fields.arguments import DisplayMetadata, check_field
from tailrace.definition.fields.paths import field_path
from tailrace.definition.measures.linear import Predicate
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.value_rows import VALUE, ValueSelection
from tailrace.definition.times.instants import check_epoch_unit
from tailrace.definition.times.zones import time_zone
from tailrace.errors import DefinitionError

_MAX_RANKED = 100


def largest(
    source: str,
    most: int,
    *,
    show: Sequence[str] = (),
    where: Predicate | None = None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    """Maintain the ``most`` largest values of a field, each with the fields ``show`` of its item.

    Equal values are ordered by the shown fields, in the order given and in the same direction: the largest first, and a
    missing field last. Items that agree in all of them are all listed.

    Raises:
        DefinitionError: ``most`` is not an integer from 1 to 100, or a shown field cannot be named in the list.

    Example:
        >>> from tailrace import largest
        >>> bids = largest("price", 2, show=["bidder"])
        >>> bids.render("bids", {"bids": [{"value": 90, "bidder": "ada"}, {"value": 85, "bidder": "bob"}]})[0]
        {'value': 90, 'bidder': 'ada'}
    """
    return _ranked("largest", source, most, show, where, **metadata)


def smallest(
    source: str,
    most: int,
    *,
    show: Sequence[str] = (),
    where: Predicate | None = None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    """Maintain the ``most`` smallest values of a field, each with the fields ``show`` of its item; see :func:`largest`.

    Of equal values, those with the smallest shown fields come first, and a missing field before any other.

    Example:
        >>> from tailrace import smallest
        >>> offers = smallest("price", 3, show=["seller", "url"])
        >>> offers.values.entry({"price": 12, "seller": "ada"}).labels
        (12, ('ada', None))
    """
    return _ranked("smallest", source, most, show, where, **metadata)


def _ranked(
    kind: str,
    source: str,
    most: int,
    show: Sequence[str],
    where: Predicate | None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    context = f"{kind}({source!r})"
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MAX_RANKED:
        raise DefinitionError(f"{context}: most must be an integer from 1 to {_MAX_RANKED}, not {most!r}")
    if isinstance(show, str) or not isinstance(show, Sequence):
        raise DefinitionError(f"{context}: show= must be a list of field names, not {show!r}")
    for path in show:
        check_field(f"{context}: show=", path)
    names = [field_path(path).name for path in show]
    if VALUE in names or len(set(names)) < len(names):
        text = f"the fields of show= must end in different names, and none in {VALUE!r}, which is the ranked value"
        raise DefinitionError(f"{context}: {text}")
    values = ValueSelection(source, where, show=tuple(show) or None)
    return OrderMeasure(kind, values, "high" if kind == "largest" else "low", most=most, **metadata)


def first(  # noqa: PLR0913 - the arguments of its order, by name
    source: str,
    *,
    by: str | None = None,
    by_value: str | None = None,
    tz: str = "UTC",
    by_unit: str = "s",
    where: Predicate | None = None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    """Maintain a field of the item with the earliest time ``by``, or with the smallest value ``by_value``.

    A time is parsed like the field of a time bucket: ``tz`` is the zone of times without an offset, ``by_unit`` the
    unit of numbers since 1970 (``"s"``, ``"ms"``, ``"us"`` or ``"ns"``). A value is a number, text or boolean,
    such as a version.

    Raises:
        DefinitionError: not exactly one of ``by`` and ``by_value`` is given, the time zone or unit is unknown, or one
            of them is given with ``by_value``, whose values are not times.

    Example:
        >>> from tailrace import first
        >>> opened = first("status", by="changed_at", tz="Europe/Berlin")
        >>> opened.render("opened", {"opened": "new", "opened_at": "2024-10-01T06:00:00.000000Z"})
        {'value': 'new', 'at': '2024-10-01T06:00:00.000000Z'}
    """
    _check_order("first", by, by_value, tz, by_unit)
    values = ValueSelection(source, where, at=by, tz=tz, by=by_value, epoch_unit=by_unit)
    return OrderMeasure("first", values, "low", **metadata)


def last(  # noqa: PLR0913 - the arguments of its order, by name
    source: str,
    *,
    by: str | None = None,
    by_value: str | None = None,
    tz: str = "UTC",
    by_unit: str = "s",
    where: Predicate | None = None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    """Maintain a field of the item with the latest time ``by``, or with the largest value ``by_value``.

    Raises:
        DefinitionError: as for :func:`first`.

    Example:
        >>> from tailrace import last
        >>> status = last("status", by="changed_at", where=lambda order: not order["test"])
        >>> status.attributes("status")
        ('status', 'status_at')
        >>> last("status", by_value="version").render("status", {"status": "paid", "status_by": 7})
        {'value': 'paid', 'by': 7}
    """
    _check_order("last", by, by_value, tz, by_unit)
    values = ValueSelection(source, where, at=by, tz=tz, by=by_value, epoch_unit=by_unit)
    return OrderMeasure("last", values, "high", **metadata)


def _check_order(kind: str, by: str | None, by_value: str | None, tz: str, by_unit: str) -> None:
    if (by is None) == (by_value is None):
        text = "give by=, the field with a time, or by_value=, the field with a number or text to order by"
        raise DefinitionError(f"{kind}: {text}")
    check_field(f"{kind}(by=)" if by_value is None else f"{kind}(by_value=)", by if by_value is None else by_value)
    time_zone(tz)
    check_epoch_unit(f"{kind}(by_unit=)", by_unit)
    if by_value is not None and (tz, by_unit) != ("UTC", "s"):
        text = "tz= and by_unit= apply only to by=; values of by_value= are compared as they are"
        raise DefinitionError(f"{kind}: {text}")
