"""The comparison of `make rebuilds`; the rounds run on demand."""

import pytest

from tests.rebuilds.__main__ import main
from tests.rebuilds.expected import Rows, differences

ROWS: Rows = {("origin_days", "EWR", "2013-01-01"): {"~n": 2, "flights": 2}}


def test_a_difference_is_found() -> None:
    key = ("origin_days", "EWR", "2013-01-01")
    assert differences(ROWS, {key: {"~n": 2, "flights": 2, "~v": 7}}) == []
    for found in ({key: {"~n": 2, "flights": 1}}, {}, ROWS | {("origin_days", "JFK", "2013-01-01"): {"~n": 1}}):
        assert len(differences(ROWS, found)) == 1


def test_no_round_is_not_reported_as_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--runs", "0"])
    assert ended.value.code == 2
    assert "RUNS is at least 1" in capsys.readouterr().err
