"""The loops of a template, unrolled as CloudFormation's transform AWS::LanguageExtensions does it."""

import re
from collections.abc import Mapping
from typing import Any

LOOP = "Fn::ForEach::"
SECTIONS = ("Resources", "Outputs")


def expand(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the template with each Fn::ForEach replaced by the resources or outputs that it stands for."""
    return {
        section: _unrolled(content, {}, template) if section in SECTIONS else content
        for section, content in template.items()
    }


def _unrolled(value: Any, items: Mapping[str, str], template: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_unrolled(member, items, template) for member in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, inner in value.items():
        if key.startswith(LOOP):
            identifier, collection, fragment = inner
            for item in _members(collection, template):
                now = {**items, identifier: item}
                found |= {_filled(name, now): _unrolled(part, now, template) for name, part in fragment.items()}
        else:
            found[key] = _unrolled(inner, items, template)
    return _resolved(found, items, template) if items else found


def _members(collection: Any, template: Mapping[str, Any]) -> list[str]:
    """Return what a loop repeats for: a list, or the default of a parameter that is one."""
    if isinstance(collection, dict):
        default: str = template["Parameters"][collection["Ref"]]["Default"]
        return default.split(",")
    return list(collection)


def _resolved(function: dict[str, Any], items: Mapping[str, str], template: Mapping[str, Any]) -> Any:
    """Compute what depends on the loops' items alone; an item is seen by Ref and by Fn::Sub, and by nothing else."""
    match function:
        case {"Ref": str(name)} if name in items:
            return items[name]
        case {"Fn::Sub": str(text)}:
            filled = _filled(text, items)
            return {"Fn::Sub": filled} if "${" in filled else filled
        case {"Fn::FindInMap": [str(name), str(key), str(attribute)]}:
            return template["Mappings"][name][key][attribute]
    return function


def _filled(text: str, items: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: items.get(found[1], found[0]), text)
