"""The ASGI application that uvicorn serves as the emulator; imported only in the emulator's environment."""

from ministack.app import app as ministack

from local.deployment.concurrency_limit import limit_concurrency

app = limit_concurrency(ministack)
