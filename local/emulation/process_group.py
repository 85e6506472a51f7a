"""Tell which process responds on the emulator's port.

Of two emulators that are started on one port at the same moment, one cannot listen. What it would be asked, the other
one answers: whoever started it asks this, too.
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
