"""Options that several commands share: addresses, numbers and times."""

import argparse

import pytest

from cli import __main__ as command
from cli import options
from cli.options import parse_count, parse_rate


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "127.0.0.1:4566", "http://", "http://:4566", "http://127.0.0.1:99999", "ftp://a", "http://a/b"],
)
@pytest.mark.parametrize(
    "arguments",
    [["check", "--table", "tab"], ["plan"], *([*name.split(), "--stack", "s"] for name in (
        "rebuild", "verify", "status", "redrive", "quarantine list", "quarantine show x", "quarantine replay",
        "replay r --from 2026-01-01",
    ))],
)  # fmt: skip
def test_what_is_no_address_is_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str], url: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([*arguments, "--endpoint-url", url])
    assert ended.value.code == 2
    assert f"expected an address such as http://127.0.0.1:4566, not {url!r}" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://localhost:4566/", "https://aws.example.org", "http://[::1]:4566"])
def test_addresses_are_accepted(url: str) -> None:
    options = command.parser().parse_args(["status", "--stack", "s", "--endpoint-url", url])
    assert options.endpoint_url == url


@pytest.mark.parametrize(
    ("text", "rate"), [("0.5", 0.5), ("1000", 1_000), ("1,000", 1_000), ("1e6", 1e6), ("2.5E3", 2_500), ("1e9", 1e9)]
)
def test_a_rate_is_a_number_as_people_write_it(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e10", "9999999999", "1,00", "1e", "٣", "1" * 9999])
def test_what_is_no_rate_is_refused_with_the_limit(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a positive number, at most 1,000,000,000, not"):
        parse_rate(text)


def test_a_count_that_is_too_large_is_refused_with_the_limit() -> None:
    assert parse_count("999999999") == 999_999_999
    with pytest.raises(argparse.ArgumentTypeError, match="a positive whole number, at most 999,999,999, not '10000000"):
        parse_count("1000000000")


def test_times_are_in_utc_unless_they_have_an_offset() -> None:
    texts = ("2026-11-25", "2026-11-25T10:00+02:00", "2026-11-25T10:00z", "2026-11-25T24:00", "2016-12-31T23:59:60Z")
    assert [options.parse_moment(text).isoformat() for text in texts] == [
        "2026-11-25T00:00:00+00:00",
        "2026-11-25T08:00:00+00:00",
        "2026-11-25T10:00:00+00:00",
        "2026-11-26T00:00:00+00:00",
        "2016-12-31T23:59:59.999999+00:00",
    ]


@pytest.mark.parametrize("share", ["0", "1.5", "-1", "many"])
def test_a_sample_is_a_share(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command.main(["verify", "--sample", share, "--stack", "tailrace"])
    assert raised.value.code == 2
    assert "a share above 0" in capsys.readouterr().err
