"""What the command says when it cannot do what it was asked.

CommandError      exit status 1, and one sentence for the user
└── UsageError    exit status 2: the request itself makes no sense
"""


class CommandError(Exception):
    """Something is missing or refused; the message says what, and what helps."""

    status = 1


class UsageError(CommandError):
    """What was asked for makes no sense."""

    status = 2
