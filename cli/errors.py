"""Errors that the command reports to the user.

CommandError      exit status 1, and one sentence for the user
└── UsageError    exit status 2: invalid arguments
"""

NO_CREDENTIALS = (OSError, ValueError, LookupError, AttributeError)
"""What botocore raises, besides errors of its own, if a program or file that gives credentials fails."""


class CommandError(Exception):
    """Something is missing or denied; the message says what, and what to do."""

    status = 1


class UsageError(CommandError):
    """The arguments are invalid."""

    status = 2
