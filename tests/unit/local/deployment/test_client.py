"""A client of the emulator does not depend on the user's AWS configuration."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment import deploy

BROKEN = "[broken\nx"
OTHER = """
[default]
request_checksum_calculation = nope
s3 =
  addressing_style = virtual
"""


@pytest.fixture(autouse=True)
def _new_session() -> Iterator[None]:
    deploy._session.cache_clear()
    yield
    deploy._session.cache_clear()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "missing"),
        ("AWS_DEFAULTS_MODE", "unknown"),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
    ],
)
def test_variables_are_ignored(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, a profile that this machine lacks was told as a failed call to the emulator."""
    monkeypatch.setenv(name, value)
    assert url() == "http://127.0.0.1:1/bucket/key"


@pytest.mark.parametrize("text", [BROKEN, OTHER])
def test_files_are_ignored(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".aws").mkdir()
    for name in ("config", "credentials"):
        (tmp_path / ".aws" / name).write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / ".aws" / "config"))
    assert url() == "http://127.0.0.1:1/bucket/key"


def url() -> str:
    client = deploy.client("s3", "http://127.0.0.1:1")
    signed = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert "AWSAccessKeyId=test" in signed
    return str(signed).partition("?")[0]
