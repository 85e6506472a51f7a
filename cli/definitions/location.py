"""Where in the user's code a definition fails while it is imported."""

import sysconfig
import traceback
from pathlib import Path

import tailrace

_ROOT = Path(__file__).parents[2]
_OTHERS = (Path(tailrace.__file__).parent, _ROOT / "cli", _ROOT / "local", Path(sysconfig.get_path("stdlib")))


def location(error: BaseException) -> str:
    """Return the file and line of the last frame in the user's code, with a colon, to begin a message with.

    Empty if none of the user's code is involved, and for a SyntaxError, whose message has its own.
    """
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return f"{_shown(Path(own[-1].filename))}, line {own[-1].lineno}: " if own else ""


def _is_users(filename: str) -> bool:
    path = Path(filename)
    is_package = "site-packages" in path.parts or filename.startswith("<")  # such as <frozen importlib._bootstrap>
    return not is_package and not any(path.is_relative_to(folder) for folder in _OTHERS)


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
