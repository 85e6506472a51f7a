"""Temporary credentials, refreshed before a call by programs and files that may be slow or fail."""

from typing import Any

from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from cli.errors import NO_CREDENTIALS, CommandError

_SDKS: Any = RefreshableCredentials
_ADVISORY_S, _MANDATORY_S = _SDKS._advisory_refresh_timeout, _SDKS._mandatory_refresh_timeout  # noqa: SLF001
"""The SDK tries to refresh credentials that expire within the first time, and must within the second: 15 and 10 min."""


def fresh_credentials(session: Session) -> Credentials | None:
    """Return a session's credentials, refreshed if they expire soon; None if there are none.

    Raises:
        CommandError: a program or file that provides them fails.
        BotoCoreError, ClientError: they cannot be refreshed.
    """
    try:
        credentials = session.get_credentials()
        if credentials is not None:
            freeze(credentials)  # assumes a role now, not with the first call, whose error it would be
    except BotoCoreError:  # some are ValueErrors, too
        raise
    except NO_CREDENTIALS as error:
        text = "Cannot get AWS credentials; check the programs and files that your AWS configuration names"
        raise CommandError(f"{text}: {type(error).__name__}: {error}") from error
    return credentials


def freeze(credentials: Credentials) -> ReadOnlyCredentials:
    """Return a snapshot of credentials, after a refresh if they expire soon.

    The SDK would refresh those that live for less than ten minutes at each access, twice for each call. So they are
    refreshed at half of their lifetime.
    """
    refreshable: Any = credentials
    before = getattr(credentials, "_expiry_time", None)
    frozen = credentials.get_frozen_credentials()
    after = getattr(credentials, "_expiry_time", None)
    if after is not None and (after != before or "_advisory_refresh_timeout" not in vars(credentials)):
        life = refreshable._seconds_remaining()  # noqa: SLF001
        refreshable._advisory_refresh_timeout = min(_ADVISORY_S, life / 2)  # noqa: SLF001
        refreshable._mandatory_refresh_timeout = min(_MANDATORY_S, life / 3)  # noqa: SLF001
    return frozen
