"""Keep the emulator's state in a file; runs in the emulator's process, in its environment.

The emulator's own persistence leaves out the streams' records and the objects' content, and writes the services one
after the other. Here a snapshot is one moment of everything: requests are handled on the event loop, and so is the
snapshot. The file has a line of JSON from the process that holds the stack, and then the pickled stores.
"""

import asyncio
import importlib
import io
import json
import os
import pickle
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.services import cloudformation, dynamodb, stepfunctions

from local.deployment.emulator import SAVE_PATH, STACK_NAME

SERVICES = "ministack.services."
VERSION = version("ministack")
COUNTER = "_stream_seq_counter"
SNAPSHOT_ATTEMPTS = 5
PROCESS_OBJECTS = (threading.Event, threading.Thread, type(threading.Lock()), type(threading.RLock()))
DAMAGES = (OSError, ValueError, EOFError, ImportError, AttributeError, LookupError, TypeError, pickle.UnpicklingError)
"""What reading a damaged file may raise."""

_data = attrgetter("_data")
_deployed = attrgetter("_stacks")

type Application = Callable[[Any, Any, Any], Awaitable[None]]
type Store = AccountScopedDict | AccountRegionScopedDict


def keep_state(application: Application, path: Path) -> Application:
    """Return an application that restores its state from a file at startup, and saves it at each POST to SAVE_PATH."""

    async def kept(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, lambda message: send(_after_restoring(message, path)))
        elif scope["type"] == "http" and scope["path"] == SAVE_PATH:
            status, body = await _save(path, (await _body(receive)).rstrip(b"\n"))
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": body})
        else:
            await application(scope, receive, send)

    return kept


def _after_restoring(message: Any, path: Path) -> Any:
    """Replace the message that the emulator has started with one that it has not, if the state cannot be restored."""
    if message["type"] != "lifespan.startup.complete" or not path.exists():
        return message
    try:
        with path.open("rb") as file:
            file.readline()
            _restore(file.read())
    except DAMAGES as error:
        text = f"the kept state cannot be used ({error}): remove {path} to start afresh"
        return {"type": "lifespan.startup.failed", "message": text}
    return message


async def _save(path: Path, header: bytes) -> tuple[HTTPStatus, bytes]:
    """Write a snapshot, unless the stack is being deployed: the next run could neither continue that nor deploy it."""
    if _is_deploying():
        return HTTPStatus.CONFLICT, b"The stack is being deployed."
    content = header + b"\n" + _snapshot()
    try:
        await asyncio.to_thread(_write, path, content)
    except OSError as error:
        told = str(error) if error.filename else f"{path}: {error.strerror}"  # a write that fails names no file
        return HTTPStatus.INSUFFICIENT_STORAGE, told.encode(errors="replace")
    return HTTPStatus.OK, json.dumps({"bytes": len(content)}).encode()


def _is_deploying() -> bool:
    stacks = [stack for (*_, name), stack in _data(_deployed(cloudformation)).items() if name == STACK_NAME]
    return any(stack["StackStatus"].endswith("_IN_PROGRESS") for stack in stacks)


def _snapshot() -> bytes:
    """Return everything as it is now. On the event loop, no request changes it meanwhile."""
    for _ in range(SNAPSHOT_ATTEMPTS - 1):
        with suppress(RuntimeError):  # a thread of the emulator's own added to a dictionary meanwhile
            return _dump()
    return _dump()


def _dump() -> bytes:
    stores = {name: data for name, store in _stores() if (data := _data(store))}
    state = {"version": VERSION, "counter": getattr(dynamodb, COUNTER), "stores": stores}
    content = io.BytesIO()
    _Pickler(content, pickle.HIGHEST_PROTOCOL).dump(state)
    return content.getvalue()


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """Leave out what belongs to a running process, such as the event that an execution waits for."""
        return (type(None), ()) if isinstance(value, PROCESS_OBJECTS) else NotImplemented


def _restore(content: bytes) -> None:
    state = pickle.load(io.BytesIO(content))  # noqa: S301 - written by this module for the same user
    if state["version"] != VERSION:
        raise ValueError(f"it is of version {state['version']} of the emulator, which is {VERSION} now")
    for name, data in state["stores"].items():
        module, _, attribute = name.rpartition(".")
        _data(getattr(importlib.import_module(module), attribute)).update(data)
    setattr(dynamodb, COUNTER, state["counter"])
    stepfunctions.load_persisted_state({"executions": {}})  # marks the executions that were running as failed


def _stores() -> Iterator[tuple[str, Store]]:
    """Yield the services' stores by module and name, each once."""
    seen = set()
    for module in [name for name in sorted(sys.modules) if name.startswith(SERVICES)]:
        names: Mapping[str, Any] = vars(sys.modules[module])
        for attribute, value in names.items():
            if isinstance(value, AccountScopedDict | AccountRegionScopedDict) and id(value) not in seen:
                seen.add(id(value))
                yield f"{module}.{attribute}", value


async def _body(receive: Any) -> bytes:
    content: bytes = b""
    while True:
        message = await receive()
        content += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
