"""What can go wrong on one machine. Every message is one sentence for the person at the terminal.

LocalError
├── SetupMissing        a tool is not installed: make setup
├── DefinitionUnusable  the definition cannot be imported, or the template lacks what it needs
├── NotTheExample       the demo feeds flights, and the definition is of other items
├── PortBusy            somebody else listens on the port asked for
├── EmulatorFailed      the emulator did not start, or is gone
├── DeployFailed        the stack could not be built or created; the message ends with the reason
├── DashboardFailed     the page could not be made or served
└── NotSettled          changes were still on their way when the time was up
"""


class LocalError(Exception):
    """The root of this tree."""


class SetupMissing(LocalError):
    """A tool is not installed."""


class InvalidDefinition(LocalError):
    """The definition cannot be imported, or the template lacks what it needs."""


class WrongDefinition(LocalError):
    """The definition is of other items than the demo feeds."""


class PortInUse(LocalError):
    """Somebody else listens on the port."""


class EmulatorFailed(LocalError):
    """The emulator did not start, or is gone."""


class DeployFailed(LocalError):
    """The stack could not be built or deployed."""


class DashboardFailed(LocalError):
    """The page could not be made or served."""


class SettleTimeout(LocalError):
    """Changes were still on their way when the time was up."""
