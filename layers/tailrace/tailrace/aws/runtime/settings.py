"""What each function reads from its environment, once, into a frozen type.

A field's name in upper case is its variable; the template gives every variable the value of the resource or parameter
whose logical id it spells (``ItemsTable`` is ``ITEMS_TABLE``).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from msgspec import Struct, structs

from tailrace.definition.default_pipeline import DEFAULT_PIPELINE
from tailrace.definition.route_names import resource_name, routes_parameter
from tailrace.errors import SettingsError


class Settings(Struct, frozen=True, kw_only=True):
    """What all functions share: the active definition."""

    tailrace_pipeline: str = DEFAULT_PIPELINE

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            SettingsError: variables are missing or empty; all of them are named.
        """
        names = {field: field.upper() for field in cls.__struct_fields__}
        defaults = {field.name.upper(): field.default for field in structs.fields(cls) if not field.required}
        found = defaults | {name: value for name in names.values() if (value := environ.get(name))}
        _require(cls.__name__, names.values(), found)
        return cls(**{field: found[name] for field, name in names.items()})


class EntranceSettings(Settings, frozen=True, kw_only=True):
    """What the entrances share: ``write_entrances`` is ``on`` if they may write items, otherwise ``off``."""

    write_entrances: str = "on"

    @property
    def writes_items(self) -> bool:
        """Whether this entrance may write items; without the right to, every attempt would fail."""
        return self.write_entrances == "on"


class LoadSettings(EntranceSettings, frozen=True, kw_only=True):
    """Settings of ``load``: where files and receipts are, where items and refused lines go, and where it counts.

    ``load_function`` is the function itself, which continues with a file that takes longer than an invocation.
    """

    items_table: str
    archive_bucket: str
    failures_bucket: str
    progress_table: str
    load_function: str


class IngestSettings(EntranceSettings, frozen=True, kw_only=True):
    """Settings of ``ingest``: where items and refused messages go, and where it counts."""

    items_table: str
    failures_bucket: str
    progress_table: str


class FanoutSettings(Settings, frozen=True, kw_only=True):
    """Settings of ``fanout``: where changes go, and where it records its progress.

    ``routes`` lists the routes that the stack has queues for; :func:`route_queues` names them.
    """

    archive_queue: str
    routes: str
    failures_bucket: str
    progress_table: str


class ArchiveSettings(Settings, frozen=True, kw_only=True):
    """Settings of ``archive``: where objects go, where the data of oversize events is, and where it counts."""

    archive_bucket: str
    failures_bucket: str
    progress_table: str


class CatalogSettings(Settings, frozen=True, kw_only=True):
    """Settings of ``catalog``: where objects are, where their rows go, and where it counts."""

    archive_bucket: str
    catalog_table: str
    progress_table: str


class AggregateSettings(Settings, frozen=True, kw_only=True):
    """Settings of ``aggregate``: the table it keeps, the journal, and where it records its progress.

    ``write_behind_seconds`` is for how long changes may wait before they are written.
    """

    aggregates_table: str
    history_bucket: str
    progress_table: str
    write_behind_seconds: str = "0"

    @property
    def write_behind_s(self) -> int:
        """For how long changes may wait.

        Raises:
            SettingsError: it is not a number of seconds.
        """
        text = self.write_behind_seconds
        if not text.isascii() or not text.isdigit():
            raise SettingsError(f"WRITE_BEHIND_SECONDS must be a whole number of seconds, not {text!r}")
        return int(text)


class HistorySettings(Settings, frozen=True, kw_only=True):
    """Settings of ``history``: what jobs work on, the function that they watch, and the state machine that runs them.

    ``attached_stream`` is the ARN of the items table's stream if that table is not the stack's own: nothing may be
    written to it then.
    ``virtual_shards`` names the shards of one machine's pollers; it is missing on AWS.
    """

    items_table: str
    attached_stream: str = ""
    aggregates_table: str
    progress_table: str
    history_bucket: str
    failures_bucket: str
    aggregate_function: str
    history_machine: str
    virtual_shards: str = ""

    @property
    def has_foreign_table(self) -> bool:
        """Whether the items table is not the stack's own."""
        return bool(self.attached_stream)


class ApiSettings(EntranceSettings, frozen=True, kw_only=True):
    """Settings of ``api``: the tables it serves, where it keeps answers, and what it reads to report health.

    ``routes`` lists the routes that the stack has queues for; :func:`route_queues` names them.
    ``jwt_read_scope`` and ``jwt_write_scope`` are what the OpenAPI document says that a token needs.
    """

    items_table: str
    aggregates_table: str
    idempotency_table: str
    progress_table: str
    intake_queue: str
    intake_dead_letter_queue: str
    archive_queue: str
    archive_dead_letter_queue: str
    routes: str
    async_failures_queue: str
    failures_bucket: str
    jwt_read_scope: str = ""
    jwt_write_scope: str = ""

    @property
    def scopes(self) -> tuple[str, str]:
        """The scopes to read and to write."""
        return self.jwt_read_scope, self.jwt_write_scope


class DashboardSettings(Settings, frozen=True, kw_only=True):
    """Settings of ``dashboard``: the stack, and where people sign in; ``dashboard_token_origin`` may be missing."""

    stack_name: str
    jwt_issuer: str
    jwt_read_scope: str
    dashboard_client_id: str
    dashboard_token_origin: str = ""


def on_aws(environ: Mapping[str, str]) -> bool:
    """Tell whether this is a Lambda function that talks to AWS itself, and not to an emulator of it."""
    return "AWS_EXECUTION_ENV" in environ and not environ.get("AWS_ENDPOINT_URL")


def in_function(environ: Mapping[str, str]) -> bool:
    """Tell whether this process is one of a Lambda function, on AWS or on an emulator that runs functions as AWS does.

    A handler that a test calls by itself may have a mock of the table that parses no batches of PartiQL updates.
    """
    return "AWS_LAMBDA_FUNCTION_NAME" in environ


class RouteQueue(NamedTuple):
    """The addresses of a route's queue and of its dead-letter queue."""

    queue: str
    dead_letter_queue: str


def route_queues(settings: FanoutSettings | ApiSettings, routes: Sequence[str]) -> Mapping[str, RouteQueue]:
    """Return the queues of each route: their addresses are like the archive queue's, with names from the template.

    Raises:
        SettingsError: the stack has no queue for a route.
    """
    made = settings.routes.split(",")
    lacking = [route for route in routes if resource_name(route) not in made]
    if lacking:
        raise SettingsError(
            f"the stack has no queue for {', '.join(lacking)}: deploy it with Routes={routes_parameter(routes)}"
        )
    prefix = settings.archive_queue.removesuffix("-archive") + "_"
    return {
        route: RouteQueue(prefix + resource_name(route), f"{prefix}{resource_name(route)}-dead") for route in routes
    }


def _require(what: str, names: Iterable[str], found: Mapping[str, str]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise SettingsError(f"{what}: the environment lacks {', '.join(missing)}; template.yaml sets each of them")
