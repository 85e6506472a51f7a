"""What a check of a definition finds: errors, and warnings about what it could not check."""

from msgspec import Struct, field


class Findings(Struct, frozen=True):
    """Sentences, each with what to do."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error(self, text: str) -> None:
        """Add an error, once."""
        if text not in self.errors:
            self.errors.append(text)

    def warn(self, text: str) -> None:
        """Add a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)
