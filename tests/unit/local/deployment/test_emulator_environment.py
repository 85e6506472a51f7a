"""What the emulator gets of the user's environment: its functions inherit all of it."""

from pathlib import Path

import pytest

from local.deployment import emulator
from local.deployment.emulator import NO_FILES, EmulatorFiles
from local.deployment.processes import bare_environment, clean_environment


@pytest.mark.parametrize("name", ["SERVICES", "LOG_LEVEL", "PERSIST_STATE", "POWERTOOLS_DEV", "MY_SECRET", "LANG"])
def test_variables_of_the_shell_do_not_reach_the_functions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SERVICES=s3, for another emulator, would even switch off the other services."""
    monkeypatch.setenv(name, "s3")
    assert name not in emulator._environment(4566, NO_FILES)


def test_functions_run_in_the_time_zone_of_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert emulator._environment(4566, NO_FILES)["TZ"] == ":UTC"


def test_what_a_program_needs_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {
        "PATH": "/opt/bin",
        "https_proxy": "http://proxy:3128",
        "SSL_CERT_FILE": "/etc/company.pem",
        "AUTH": "true",
    }
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    assert wanted.items() <= emulator._environment(4566, NO_FILES).items()
    monkeypatch.setenv("AUTH", "false")
    assert emulator._environment(4566, EmulatorFiles(decisions=Path("decisions")))["AUTH"] == "true"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": " "}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "pypi.company,.internal"}, "127.0.0.1,localhost,pypi.company,.internal"),
        ({"no_proxy": "pypi.company", "NO_PROXY": "other"}, "127.0.0.1,localhost,pypi.company"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_calls_to_this_machine_bypass_a_proxy_as_do_those_to_the_users_hosts(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, a package index in NO_PROXY was called through the proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for environment in (clean_environment(), bare_environment()):
        assert {environment["NO_PROXY"], environment["no_proxy"]} == {expected}
