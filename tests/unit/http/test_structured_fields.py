"""Values of structured fields are those of RFC 9651's own examples, and of hostile texts."""

import pytest

from tailrace.http import structured_fields


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("hello world", '"hello world"'),
        ("", '""'),
        ('a "b" \\ 100%', r'"a \"b\" \\ 100%"'),
        ("füü", '%"f%c3%bc%c3%bc"'),
        ('é "%"\r\n', '%"%c3%a9 %22%25%22%0d%0a"'),
    ],
)
def test_a_text_is_a_string_or_a_display_string(text: str, written: str) -> None:
    assert structured_fields.text(text) == written


def test_booleans_are_not_tokens() -> None:
    assert [structured_fields.boolean(value) for value in (True, False)] == ["?1", "?0"]
