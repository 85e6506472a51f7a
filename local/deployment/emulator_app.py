"""What uvicorn serves as the emulator; imported by the emulator's own environment only."""

from ministack.app import app as ministack

from local.deployment.concurrency_limit import limit_concurrency

app = limit_concurrency(ministack)
