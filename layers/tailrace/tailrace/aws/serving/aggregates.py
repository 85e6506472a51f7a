"""Aggregates: what there are, and their rows."""

from collections.abc import Callable

from tailrace.aws.rows import RowReader
from tailrace.aws.serving.answers import Answer, answer_json
from tailrace.definitions import Pipeline
from tailrace.descriptions import describe
from tailrace.envelopes import dumps
from tailrace.errors import InvalidMessage
from tailrace.queries import row_query
from tailrace.requests import Event, parameters


class AggregateRoutes:
    """Answers what is asked of aggregates."""

    def __init__(self, pipeline: Pipeline, rows: RowReader, event: Callable[[], Event]) -> None:
        self._pipeline = pipeline
        self._rows = rows
        self._event = event

    def listed(self) -> Answer:
        """Return what each aggregate is: its groups and measures."""
        if parameters(self._event()):
            raise InvalidMessage("there are no parameters here")
        return answer_json(200, dumps({"aggregates": [describe(found) for found in self._pipeline.aggregates]}))

    def rows(self, name: str) -> Answer:
        """Return rows of an aggregate, by its groups and a range of time."""
        aggregate = self._pipeline.aggregate(name)
        page = self._rows.read(row_query(aggregate, parameters(self._event())))
        more = "" if page.cursor is None else f',"cursor":{dumps(page.cursor)}'
        head = f'"aggregate":{dumps(aggregate.name)},"version":{aggregate.version}'
        return answer_json(200, f'{{{head},"rows":[{",".join(page.rows)}]{more}}}')
