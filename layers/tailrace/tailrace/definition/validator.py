"""The reference validator of JSON Schema 2020-12: ``jsonschema``, adapted to DynamoDB's values.

It takes a fifth of a second to import, so it is imported only on demand: when an item is rejected, and for schemas that
the fast validator cannot handle.
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
    # exact; jsonschema's own check raises if the division takes more than 28 digits
    if _is_number(None, value) and EXACT.remainder(Decimal(value), Decimal(step)):
        yield ValidationError(f"{value} is not a multiple of {step}")


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Any:
    # JSON Schema follows ECMA-262, where "$" matches only at the end; in Python also before a trailing newline.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _properties(validator: Any, properties: Mapping[str, Any], item: Any, _schema: Any) -> Any:
    # as in jsonschema, but a forbidden field (subschema "false") is reported by name, with a pointer to it
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
    """Check that a document is a JSON Schema with valid patterns and no unresolved references.

    Raises:
        DefinitionError: it is not; the message names the place and the rule.
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
                text = f"unresolved schema reference {name!r}; define it under $defs (schemas are not fetched)"
                raise DefinitionError(text) from error
    for inner in part.subresources():
        _check_references(inner, resolver.in_subresource(inner))


def validator(document: Mapping[str, Any]) -> Any:
    """Return a schema's validator, with jsonschema's ``is_valid`` and ``iter_errors``."""
    return _Validator(document, registry=EMPTY_REGISTRY)  # the default registry would fetch schemas over the network
