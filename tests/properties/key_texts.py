"""Key templates, keys, and fields that look like separators and encodings."""

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from tailrace.encoding.key_templates import KeyTemplate
from tests.strategies import awkward_texts, numbers

PIECES = ["#", "##", "A#", "#A", "a", "T", "-", "/", "{{", "}}", "é", "\n", ".", "^", "]", "\\"]
PLACEHOLDERS = ["{a}", "{b}", "{a+}", "{b+}", "{c}"]
LOOK_ALIKES = [
    "#",
    "##",
    "A#",
    "#A",
    "a",
    "b",
    "1",
    "1.0",
    "T",
    "-",
    "/",
    "{",
    "}",
    "é",
    "e\u0301",
    "\n",
    "",
    "~1",
    "%2F",
]


def compiled(templates: dict[str, Any]) -> KeyTemplate:
    """Compile templates; ambiguous ones are not tried."""
    try:
        return KeyTemplate(templates)
    except ValueError:
        assume(False)
        raise


texts = st.lists(st.sampled_from(PIECES + 2 * PLACEHOLDERS), min_size=1, max_size=6).map("".join)
attributes = st.one_of(texts, st.sampled_from(["{n:number}", "{x:binary}", 0, b"\x00"]))
templates = st.one_of(
    st.fixed_dictionaries({"PK": attributes}), st.fixed_dictionaries({"PK": attributes, "SK": attributes})
).map(compiled)
look_alikes = st.one_of(awkward_texts, st.lists(st.sampled_from(LOOK_ALIKES), max_size=7).map("".join))
fields = st.fixed_dictionaries(
    {"a": look_alikes, "b": look_alikes, "c": look_alikes, "n": numbers, "x": st.binary(max_size=4)}
)
keys = st.fixed_dictionaries({name: st.one_of(look_alikes, numbers, st.binary(max_size=4)) for name in ("PK", "SK")})
