"""The examples in the documentation run, and its links lead somewhere."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from local.deployment.template import template

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=_name)
def test_the_examples_of_a_page_run_in_order(page: Path) -> None:
    space: dict[str, Any] = {"__name__": "example", "__file__": str(page)}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, str(page), "exec"), space)  # noqa: S102 - our own pages


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_between_pages_lead_to_files(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_the_paths_that_contributors_are_sent_to_exist() -> None:
    """Paths start at the root of the repository or of the engine; placeholders and commands are left out."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    quoted = re.findall(r"`([^`]+)`", text)
    paths = {word for word in quoted if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", word)} - {".cache/docs"}
    roots = (ROOT, ROOT / "layers" / "tailrace" / "tailrace")
    assert len(paths) > 10
    assert [path for path in sorted(paths) if not any((root / path).exists() for root in roots)] == []


def test_every_metric_and_parameter_is_described() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    metrics = re.search(r"^## Metrics\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    parameters = re.search(r"^## Parameters\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert metrics
    assert parameters
    sources = [*(ROOT / "layers" / "tailrace" / "tailrace").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    calls = [node for path in sources for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    counted = {
        str(word.arg) for call in calls if getattr(call.func, "id", "") == "count_metrics" for word in call.keywords
    }
    assert len(counted) > 20
    assert sorted(counted - set(re.findall(r"`(\w+)`", metrics[1]))) == []
    given = set(template()["Parameters"]) - {"Emulated"}
    assert sorted(given - set(re.findall(r"`(\w+)`", parameters[1]))) == []
