"""Clients of AWS for the jobs: in memory, with a hook before and after every call."""

import hashlib
import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct, field

from tailrace.encoding.json_types import Json
from tests.simulation.world.clients import strongly_consistent

type Hook = Callable[[], None]


class Hooked(Struct, frozen=True):
    """A client that calls a hook before and after each of another client's calls."""

    client: Any
    hook: Hook

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)

        def hooked(**request: Any) -> Any:
            self.hook()
            answer = call(**request)
            self.hook()
            return answer

        return hooked


class DynamoDB(Struct):
    """Tables in memory; what the in-memory database does not know is added here.

    Reads are always consistent here, so a job that forgets ConsistentRead fails.
    """

    database: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)

    def get_item(self, **request: Any) -> Json:
        """Read one row."""
        row: Json = self.database.get_item(**strongly_consistent(request))
        return row

    def query(self, **request: Any) -> Json:
        """Read a page of a partition."""
        page: Json = self.database.query(**strongly_consistent(request))
        return page

    def batch_get_item(self, *, RequestItems: Mapping[str, Json]) -> Json:  # noqa: N803
        """Read some rows."""
        for one in RequestItems.values():
            strongly_consistent(one)
        rows: Json = self.database.batch_get_item(RequestItems=RequestItems)
        return rows

    def scan(self, **request: Any) -> Json:
        """Return a segment of a table."""
        strongly_consistent(request)
        segment, total = request.pop("Segment", 0), request.pop("TotalSegments", 1)
        page: Json = self.database.scan(**request)
        rows = [row for row in page["Items"] if _hash(row["pk"]["S"]) % total == segment]
        return {**page, "Items": rows}

    def describe_table(self, *, TableName: str) -> Json:  # noqa: N803
        """Describe the items table."""
        return {"Table": {"LatestStreamArn": "stream", "ItemCount": len(self.database.rows(TableName))}}


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


class Buckets(Struct):
    """Buckets in memory, with the time of each object's last write."""

    clock: Callable[[], float]
    objects: dict[tuple[str, str], tuple[bytes, float]] = field(default_factory=dict)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **options: Any) -> Json:  # noqa: N803
        """Store an object; with ``IfNoneMatch``, if there is none."""
        if "IfNoneMatch" in options and (Bucket, Key) in self.objects:
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": Key}}, "PutObject")
        self.objects[Bucket, Key] = Body, self.clock()
        return {}

    def get_object(self, *, Bucket: str, Key: str) -> Json:  # noqa: N803
        """Return an object."""
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Bucket, Key][0])}

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        Delimiter: str = "",  # noqa: N803
    ) -> Json:
        """Return a small page of a list; with a delimiter, all folders."""
        keys = sorted(key for bucket, key in self.objects if bucket == Bucket and key.startswith(Prefix))
        if Delimiter:
            folders = {key.removeprefix(Prefix).partition(Delimiter)[0] for key in keys}
            return {"CommonPrefixes": [{"Prefix": f"{Prefix}{one}{Delimiter}"} for one in sorted(folders)]}
        page = [key for key in keys if key > max(ContinuationToken, StartAfter)][:3]
        contents = [
            {"Key": key, "LastModified": datetime.fromtimestamp(self.objects[Bucket, key][1], UTC)} for key in page
        ]
        is_truncated = bool(page) and page[-1] != keys[-1]
        token = {"NextContinuationToken": page[-1]} if is_truncated else {}
        return {"Contents": contents, "IsTruncated": is_truncated, **token}


class Functions(Struct):
    """The configuration of the aggregate function."""

    now: float
    revision: int = 1

    def get_function_configuration(self, **_request: Any) -> Mapping[str, Any]:
        """Return what changes with a deployment."""
        modified = datetime.fromtimestamp(self.now, UTC).isoformat(timespec="milliseconds")
        return {"RevisionId": str(self.revision), "LastModified": modified, "LastUpdateStatus": "Successful"}
