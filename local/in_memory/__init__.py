"""DynamoDB in memory, as far as Tailrace uses it: the rules of a table, exactly, and nothing else.

    Database    tables by name; takes the requests of boto3's low-level client and raises its errors

It answers at once, never throttles, limits no sizes and knows no time: whoever simulates adds faults and delays
around it. What it does not know it refuses with `Unsupported`, so that it is never wrong in silence.
`tests/storage/test_conformance.py` runs the same cases on it and on DynamoDB Local.
"""

from local.in_memory.database import ChangeListener, Database
from local.in_memory.errors import Unsupported

__all__ = ["ChangeListener", "Database", "Unsupported"]
