"""Members of an enum of texts that order measures would order by their names."""

from collections.abc import Iterator

from cli.definitions.predicates import images_of
from tailrace.definition.aggregate import Aggregate
from tailrace.encoding.json_types import Item
from tailrace.encoding.text import plain_text


def enum_texts(aggregate: Aggregate, item: Item) -> Iterator[str]:
    """Yield what is wrong with a transformed item's values in order measures, in words.

    The key of a value row is made of ``format()``, which is the name of a member of ``class Tier(str, Enum)``; the row
    itself has its text. So a minimum would be that of the names, and ``top`` would list a value twice.
    """
    for kind in aggregate.value_rows:
        names = ", ".join(repr(name) for name, measure in kind.measures.items() if not measure.is_counted)
        paths = [kind.values.path, *kind.values.shown_paths]
        if kind.values.order_path is not None:
            paths.append(kind.values.order_path)
        for image in images_of(item, aggregate.each_path) if names else ():
            for path in paths:
                value = path.read(image)
                if isinstance(value, str) and format(value) != plain_text(value):
                    yield (
                        f"measure {names}: {path.source!r} is {format(value)}, a member of an enum, which would be "
                        "ordered by its name: let the transform return its value"
                    )
                    return
