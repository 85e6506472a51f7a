"""``jsonschema``, the reference validator of JSON Schema 2020-12, told how DynamoDB's values are to be read.

Imported only where it is asked for, as it takes a fifth of a second to import: when an item is refused, and for schemas
that only it can be trusted with.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

from tailrace.encoding.numbers import EXACT
from tailrace.errors import DefinitionError


def _is_integer(_checker: Any, value: Any) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker: Any, value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _multiple_of(_validator: Any, step: Any, value: Any, _schema: Any) -> Any:
    # exact, where jsonschema raises for what takes more than 28 digits to divide
    if _is_number(None, value) and EXACT.remainder(Decimal(value), Decimal(step)):
        yield ValidationError(f"{value} is not a multiple of {step}")


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Any:
    # In ECMA-262, which JSON Schema names, "$" is the end of the text; in Python also the place before a last newline.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _properties(validator: Any, properties: Mapping[str, Any], item: Any, _schema: Any) -> Any:
    # as in jsonschema, but a field that must not be there ("false") is reported at its place and by its name
    for name, subschema in properties.items() if isinstance(item, Mapping) else ():
        if name not in item:
            continue
        if subschema is False:
            yield ValidationError(f"{name!r} is not allowed here", path=[name])
        else:
            yield from validator.descend(item[name], subschema, path=name, schema_path=name)


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={"multipleOf": _multiple_of, "pattern": _pattern, "properties": _properties},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number}),
)


def check_schema(document: Mapping[str, Any]) -> None:
    """Refuse what is not a JSON Schema, has a pattern that is none, or refers to what it does not hold.

    Raises:
        DefinitionError: naming the place and the rule.
    """
    meta = _Validator(Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
    error = best_match(meta.iter_errors(document))
    if error is not None:
        raise DefinitionError(f"not a JSON Schema (2020-12): {error.json_path}: {error.message}")
    whole = DRAFT202012.create_resource(document)
    _check_references(whole, EMPTY_REGISTRY.with_resource("", whole).resolver_with_root(whole))


def _check_references(part: Any, resolver: Any) -> None:
    for keyword in ("$ref", "$dynamicRef"):
        if isinstance(part.contents, Mapping) and keyword in part.contents:
            try:
                resolver.lookup(part.contents[keyword])
            except Unresolvable as error:
                name = part.contents[keyword]
                text = f"the schema refers to {name!r}, which is not in it; put it under $defs, as nothing is fetched"
                raise DefinitionError(text) from error
    for inner in part.subresources():
        _check_references(inner, resolver.in_subresource(inner))


def validator(document: Mapping[str, Any]) -> Any:
    """Return the validator of a schema, with jsonschema's ``is_valid`` and ``iter_errors``."""
    return _Validator(document, registry=EMPTY_REGISTRY)  # its own registry would look for schemas in the network
