"""Tell which process responds on the emulator's port.

If two emulators are started on the same port at the same moment, only one of them can listen, and it also responds to
whoever waits for the other one. So whoever starts an emulator asks for its process.
"""

import json
import os
from typing import Any

from local.deployment.emulator import PROCESS_PATH
from local.emulation.concurrency_limit import Application


def tell_process(application: Application) -> Application:
    """Return an application that responds with its process group at PROCESS_PATH."""

    async def told(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == PROCESS_PATH:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps({"group": os.getpgrp()}).encode()})
        else:
            await application(scope, receive, send)

    return told
