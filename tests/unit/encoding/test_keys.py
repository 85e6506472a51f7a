"""Keys of items and of aggregate rows."""

import pytest

from tailrace.encoding.keys import group_texts, row_key, split_item_key
from tailrace.errors import InvalidMessage


def test_row_keys_escape_the_separator_and_empty_texts() -> None:
    assert row_key("sums", 2, ["a#b%", "2013-01", "#"]) == ("sums@2#a%23b%25", "2013-01#%23")
    assert row_key("sums", 1, ["a"]) == ("sums@1#a", "-")
    assert row_key("sums", 1, ["", ""]) == ("sums@1#%", "%")
    assert group_texts("sums@1#%", "%#%25") == ("", "", "%")


@pytest.mark.parametrize("pk", ["", "#", "flights", "flights#", "Flights#1", "#1", "flights#" + "x" * 1025])
def test_a_malformed_item_key_is_rejected(pk: str) -> None:
    with pytest.raises(InvalidMessage):
        split_item_key(pk)


def test_an_id_may_contain_any_character() -> None:
    assert split_item_key("flights#a#b~/%") == ("flights", "a#b~/%")
