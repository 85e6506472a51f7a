"""Messages: as full as they can be, and none larger than it may be."""

from itertools import chain, pairwise
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tailrace.outputs import packing

MOST = 12


@given(st.lists(st.text("a€", min_size=1, max_size=12), max_size=12))
def test_messages_are_as_full_as_they_can_be(given_texts: list[str]) -> None:
    with mock.patch.object(packing, "MAX_MESSAGE_BYTES", MOST):
        texts = [text for text in given_texts if packing.fits(text)]
        messages = packing.pack(texts)
    assert all((text in texts) == (len(f"[{text}]".encode()) <= MOST) for text in given_texts)
    assert list(chain.from_iterable(positions for _, positions in messages)) == list(range(len(texts)))
    for body, positions in messages:
        assert body == f"[{','.join(texts[position] for position in positions)}]"
        assert len(body.encode()) <= MOST
    for (body, _), (_, following) in pairwise(messages):
        assert len(f"{body},{texts[following[0]]}".encode()) > MOST
