"""Open a browser if somebody can see it."""

import os
import sys
import webbrowser
from collections.abc import Mapping


def has_desktop(variables: Mapping[str, str], platform: str) -> bool:
    """Tell whether a browser would have a screen: not in CI, without a display, or over ssh."""
    if variables.get("CI"):
        return False
    if platform == "darwin":
        return "SSH_CONNECTION" not in variables
    return bool(variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY"))


def open_browser(address: str) -> bool:
    """Open an address if there is a desktop; return whether a browser was started."""
    return has_desktop(os.environ, sys.platform) and webbrowser.open(address)
