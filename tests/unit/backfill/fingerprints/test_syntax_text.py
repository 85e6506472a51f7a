"""A tree's text is the same under every release of Python, and differs where the trees differ."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailrace.backfill.fingerprints.syntax_text import syntax_text

ROOT = Path(__file__).parents[4]


def text(source: str) -> str:
    return syntax_text(ast.parse(source))


def test_the_text_is_this_one_whatever_python_writes_it() -> None:
    """Pinned: a release that said anything else would interrupt every generation."""
    assert text("def f(a, *, b=None):\n    return {**a, 1: f\"{a['x']}-{b!r:>{9}}\"}") == (
        "Module(body=[FunctionDef(name=str 'f', args=arguments(args=[arg(arg=str 'a')], kwonlyargs=[arg(arg=str 'b')],"
        " kw_defaults=[NoneType None]), body=[Return(value=Dict(keys=[-, int 0x1], values=[Name(id=str 'a'),"
        " JoinedStr(FormattedValue(value=Subscript(value=Name(id=str 'a'), slice=str 'x'), conversion=int -0x1),"
        " str '-', FormattedValue(value=Name(id=str 'b'), conversion=int 0x72,"
        " format_spec=JoinedStr(str '>', FormattedValue(value=int 0x9, conversion=int -0x1))))]))])])"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f\"{a['x']}\"", "f'{a[\"x\"]}'"),
        ("f'{a}b'", "f'''{a}''' 'b'"),
        ("f'{a}' f'b' 'c'", "f'{a}bc'"),
        ("f'{a:}'", "f'{a}'"),
        ("'é'", "'\\u00e9'"),
        ("u'a'", "'a'"),
        ("0x10", "16"),
        ("1_000.0", "1e3"),
        ("a[b, c]", "a[(b, c)]"),
    ],
)
def test_what_is_written_otherwise_is_the_same(one: str, other: str) -> None:
    assert text(one) == text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{**a}", "{None: a}"),
        ("lambda *, a: a", "lambda *, a=None: a"),
        ("1", "True"),
        ("1", "1.0"),
        ("0.0", "-0.0"),
        ("'1'", "1"),
        ("b'a'", "'a'"),
        ("f'a'", "f'{a}'"),
        ("f'{a}{b}'", "f'{a}-{b}'"),
        ("f'{a!r}'", "f'{a!s}'"),
        ("...", "None"),
        ("def f(): return f''", "def f(): return"),
        ("def f(): return ''", "def f(): return"),
        ("def f(): return []", "def f(): return"),
        ("def f(): return None", "def f(): return"),
        ("match a:\n case None: b", "match a:\n case _: b"),
        ("a.b", "a.c"),
        ("a < b < c", "a < b <= c"),
        ("return_ = a", "return_ : a"),
        ("[a for b in c]", "{a for b in c}"),
        ("def f(a, /): pass", "def f(a): pass"),
        ("def f[T](a): pass", "def f(a): pass"),
        ("async def f(a): pass", "def f(a): pass"),
        ("1j", "1"),
        ("'\\ud800'", "'\\ud801'"),
        (hex(10**5000), hex(10**5000 + 1)),
    ],
)
def test_what_means_something_else_is_not(one: str, other: str) -> None:
    assert text(one) != text(other)


def statements() -> Iterator[ast.AST]:
    for file in sorted((ROOT / "layers" / "tailrace" / "tailrace").rglob("*.py")):
        yield from (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.stmt | ast.expr))


def test_trees_that_differ_never_have_the_same_text() -> None:
    """All statements and expressions of the layer, beside what this release of Python says of them."""
    different = {ast.dump(node): node for node in statements()}  # what is the same need not be written again
    said: dict[str, str] = {}
    for dumped, node in different.items():
        loaded = dumped.replace("Store()", "Load()")
        assert said.setdefault(syntax_text(node), loaded) == loaded
    assert len(said) > 10_000
