"""An in-memory DynamoDB with the operations that Tailrace uses and their exact semantics; and an HTTP API server.

    Database    tables by name; takes the requests of boto3's low-level client and raises its errors

It responds at once, never throttles, and has no limits of size or depth and no clock: simulations add faults and delays
around it. It refuses what DynamoDB refuses, such as a reserved word in an expression or a value that nothing uses.
It raises `Unsupported` for everything else, so that it is never silently wrong.
`tests/storage/in_memory/test_conformance.py` runs the same cases on it and on DynamoDB Local.
"""

from local.in_memory.database import Database
from local.in_memory.errors import Unsupported
from local.in_memory.table import ChangeListener

__all__ = ["ChangeListener", "Database", "Unsupported"]
