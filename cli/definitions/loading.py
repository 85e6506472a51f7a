"""Imports the pipeline that a command works on."""

from cli.definitions.location import location
from cli.errors import CommandError, UsageError
from tailrace.definition.failures import FAILURES
from tailrace.definition.pipeline import Pipeline, load_pipeline
from tailrace.errors import DefinitionError


def load_definition(reference: str) -> Pipeline:
    """Import a pipeline.

    Raises:
        UsageError: there is no such pipeline.
        CommandError: it cannot be imported.
    """
    try:
        return load_pipeline(reference)
    except FAILURES as error:  # the user's code may raise anything on import
        where = location(error)
        if isinstance(error, DefinitionError) and not where:  # no code of the user is involved: the name is wrong
            raise UsageError(str(error)) from error
        prefix = "" if isinstance(error, DefinitionError) else f"{type(error).__name__}: "
        raise CommandError(f"BROKEN  {reference} cannot be imported: {where}{prefix}{error}") from error
