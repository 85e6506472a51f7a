"""The test of every rule of a mapping cites its documentation page or a recording of the service."""

import ast
from pathlib import Path

HERE = Path(__file__).parent


def test_every_rule_cites_its_source() -> None:
    rules = [
        (path.name, node)
        for path in sorted(HERE.glob("test_*.py"))
        if path != Path(__file__)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert len(rules) > 90
    recordings = ("https://github.com/localstack/localstack/", "https://github.com/radkawar/stackd/")  # of the service
    pages = ("https://docs.aws.amazon.com/", "https://github.com/aws/event-ruler", *recordings)
    assert [(name, rule.name) for name, rule in rules if not (ast.get_docstring(rule) or "").startswith(pages)] == []
