"""The SDK without its documentation still makes requests."""

import importlib
import shutil
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

SERVICES = ("s3", "dynamodb", "sqs")


def test_services_without_documentation_can_be_called(tmp_path: Path) -> None:
    """S3 reads the documentation of its context parameters with every request."""
    data = tmp_path / "data"
    shutil.copytree(Path(botocore.__file__).parent / "data", data, ignore=_other_services)
    importlib.import_module("slim_sdk").slim(data)
    session = botocore.session.Session()
    session.get_component("data_loader").search_paths[:] = [str(data)]
    assert b'"documentation":"<' not in b"".join(path.read_bytes() for path in data.rglob("*.json"))
    options: dict[str, Any] = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client: Any = session.create_client("s3", endpoint_url="http://127.0.0.1:9", config=once, **options)
    with pytest.raises(EndpointConnectionError):
        client.put_object(Bucket="bucket", Key="key", Body=b"")


def _other_services(folder: str, names: list[str]) -> list[str]:
    inside = Path(folder).name == "data"
    return [name for name in names if inside and (Path(folder) / name).is_dir() and name not in SERVICES]
