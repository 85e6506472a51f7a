"""Options of the demo: every mistake is one clear sentence and status 2."""

from pathlib import Path

import pytest

from local.demo.options import Options, parse_options
from local.demo.run import EXIT_USAGE, main
from local.options import OptionError


def test_by_default_the_first_day_is_fed_and_the_stack_stays_up() -> None:
    assert parse_options([], {}) == Options(once=False, days=1, feed=None, shards=1, port=None)


def test_variables_and_the_command_line_are_equivalent_and_the_command_line_wins() -> None:
    variables = {"ONCE": "1", "DAYS": "7", "SHARDS": "4", "PORT": "4566", "FEED": "a.csv"}
    assert parse_options([], variables) == Options(once=True, days=7, feed=Path("a.csv"), shards=4, port=4566)
    line = ["--once", "--days", "7", "--shards", "4", "--port", "4566", "--feed", "a.csv"]
    assert parse_options(line, {}) == parse_options([], variables) == parse_options(line, {"DAYS": "3", "ONCE": "0"})


def test_empty_variables_count_as_unset() -> None:
    assert parse_options([], dict.fromkeys(("ONCE", "DAYS", "SHARDS", "PORT", "FEED"), " ")) == Options()


def test_a_file_is_fed_whole_unless_days_are_given() -> None:
    assert parse_options([], {"FEED": "a.csv"}).days is None
    assert parse_options([], {"FEED": "a.csv", "DAYS": "2"}).days == 2


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"ONCE": "maybe"}, "ONCE must be 1 or 0, not 'maybe'."),
        ({"DAYS": "0"}, "DAYS must be a whole number from 1 to 366, not '0'."),
        ({"DAYS": "-1"}, "DAYS must be a whole number"),
        ({"DAYS": "1.5"}, "DAYS must be a whole number"),
        ({"DAYS": "\u0667"}, "DAYS must be a whole number"),
        ({"DAYS": "9" * 10_000}, "DAYS must be a whole number"),
        ({"SHARDS": "65"}, "SHARDS must be a whole number from 1 to 64"),
        ({"PORT": "65536"}, "PORT must be a whole number from 1 to 65535"),
    ],
)
def test_invalid_values_are_rejected(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        parse_options([], variables)


@pytest.mark.parametrize(
    "variables", [{"DAYS": "x"}, {"FEED": "/no/such/file.csv"}, {"FEED": "/"}, {"FEED": "~nobody-here/a.csv"}]
)
def test_invalid_options_end_with_one_sentence_and_status_2(
    variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], variables) == EXIT_USAGE
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"], {})
    text = capsys.readouterr().out
    for option in ("--once", "--days", "--feed", "--shards", "--port", "status: 0"):
        assert option in text
