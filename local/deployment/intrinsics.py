"""CloudFormation's intrinsic functions, as far as parameters, mappings and conditions decide them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from collections.abc import Mapping
from typing import Any

from local.deployment.emulator import REGION

PSEUDO_PARAMETERS = {
    "AWS::AccountId": "000000000000",
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
"""What the emulator's stack has; the others name the stack."""

NO_VALUE = object()
"""The value of a property that `AWS::NoValue` removes."""


class UnresolvableError(ValueError):
    """A value depends on something else, such as an attribute of a resource."""


class Intrinsics:
    """Resolves values of one template."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self._mappings: Mapping[str, Any] = template.get("Mappings", {})
        self._conditions: Mapping[str, Any] = template.get("Conditions", {})
        self._parameters = {**PSEUDO_PARAMETERS, **parameters}

    def resolve(self, value: object) -> object:
        """Return a value without intrinsic functions, or NO_VALUE. Raises UnresolvableError."""
        match value:
            case {"Ref": "AWS::NoValue"}:
                return NO_VALUE
            case {"Ref": str(name)} if name in self._parameters:
                return self._parameters[name]
            case {"Fn::If": [str(name), one, other]}:
                return self.resolve(one if self.holds({"Condition": name}) else other)
            case {"Fn::FindInMap": [*keys]}:
                return self._find_in_map([self._text(key) for key in keys])
            case {"Ref": _} | {"Condition": _}:
                raise UnresolvableError(str(value))
            case Mapping() if any(str(name).startswith("Fn::") for name in value):
                raise UnresolvableError(str(value))
            case Mapping():
                resolved = {name: self.resolve(part) for name, part in value.items()}
                return {name: part for name, part in resolved.items() if part is not NO_VALUE}
            case list():
                return [part for part in map(self.resolve, value) if part is not NO_VALUE]
        return value

    def holds(self, condition: object) -> bool:
        """Whether a condition is true. Raises UnresolvableError."""
        match condition:
            case {"Condition": str(name)} if name in self._conditions:
                return self.holds(self._conditions[name])
            case {"Fn::Equals": [one, other]}:
                return self._text(one) == self._text(other)
            case {"Fn::Not": [part]}:
                return not self.holds(part)
            case {"Fn::And": [*parts]}:
                return all(self.holds(part) for part in parts)
            case {"Fn::Or": [*parts]}:
                return any(self.holds(part) for part in parts)
        raise UnresolvableError(str(condition))

    def _find_in_map(self, keys: list[str]) -> object:
        found: Any = self._mappings
        for key in keys:
            if not isinstance(found, Mapping) or key not in found:
                raise UnresolvableError(".".join(keys))
            found = found[key]
        return found

    def _text(self, value: object) -> str:
        """Return a value as CloudFormation compares it: as text, and a logical value in lower case."""
        resolved = self.resolve(value)
        return str(resolved).lower() if isinstance(resolved, bool) else str(resolved)
