"""A description covers all that a function refers to, not only classes, and nothing that the process alone decides."""

import hashlib

import pytest

from tailrace.backfill.fingerprints.sources import describe_function
from tailrace.encoding.tagged_json import canonical_json
from tests.unit.backfill.fingerprints.conftest import Differ, Load

DIFFERENT = {
    "the order in which rules are tried": (
        "R = {?}\ndef f(i): return next(v for k, v in R.items() if i.startswith(k))",
        "'a': 1, 'ab': 2",
        "'ab': 2, 'a': 1",
    ),
    "the order of a table that is also passed on": (
        "R = {?}\ndef g(r): return list(r)\ndef f(i): return R.get(i) or g(R)",
        "1: 2, 3: 4",
        "3: 4, 1: 2",
    ),
    "the order of a class's dict that another one fills": (
        "R = {?}\nclass C:\n  S = {**R}\ndef f(i): return list(C.S)",
        "1: 2, 3: 4",
        "3: 4, 1: 2",
    ),
    "the order within a table": ("R = {1: {?}}\ndef f(i): return list(R[1])", "1: 2, 3: 4", "3: 4, 1: 2"),
    "the order of a parameter's default": ("def f(i, r={?}): return list(r)", "1: 2, 3: 4", "3: 4, 1: 2"),
    "what a defaultdict makes": ("R = collections.defaultdict(lambda: ?)\ndef f(i): return R[i]", "1", "2"),
    "the class that a defaultdict makes": ("R = collections.defaultdict(?)\ndef f(i): return R[i]", "int", "list"),
    "an implementation of a generic function": (
        "@functools.singledispatch\ndef p(x): return 0\n@p.register\ndef _(x: int): return ?\ndef f(i): return p(i)",
        "1",
        "2",
    ),
    "the class of an implementation": (
        "@functools.singledispatch\ndef p(x): return 0\n@p.register(?)\ndef _(x): return 1\ndef f(i): return p(i)",
        "int",
        "str",
    ),
    "a comparison": (
        "def c(a, b): return ?\nK = functools.cmp_to_key(c)\ndef f(i): return sorted(i, key=K)",
        "1",
        "-1",
    ),
    "a function in a library's object": (
        "import sched\ndef c(): return ?\nS = sched.scheduler(c)\ndef f(i): return S.timefunc()",
        "1",
        "2",
    ),
    "a method in a library's object": (
        (
            "class C:\n  r = ?\n  def c(self, a, b): return self.r\nK = functools.cmp_to_key(C().c)\n"
            "def f(i): return sorted(i, key=K)"
        ),
        "1",
        "-1",
    ),
    "a deque of the package's own class": (
        "class D(collections.deque): pass\nR = D([?])\ndef f(i): return R[0]",
        "1",
        "2",
    ),
    "a number of the package's own class": ("class C(int): pass\nR = C(?)\ndef f(i): return i * R", "1", "2"),
    "a decimal of the package's own class": ("class C(Decimal): pass\nR = C(?)\ndef f(i): return i * R", "1", "2"),
    "a day of the package's own class": (
        "class C(datetime.date): pass\nR = C(2026, 1, ?)\ndef f(i): return i < R",
        "1",
        "2",
    ),
    "a method of a text's own class": (
        "W = ?\nclass C(str):\n  def w(self): return W\nR = C('a')\ndef f(i): return R.w()",
        "1",
        "2",
    ),
    "an attribute of a dict": ("class D(dict): pass\nR = D(a=1)\nR.rate = ?\ndef f(i): return R.rate", "1", "2"),
    "an attribute of a list": ("class D(list): pass\nR = D([1])\nR.rate = ?\ndef f(i): return R.rate", "1", "2"),
    "a namespace with a function": (
        "def g(x): return x\nR = types.SimpleNamespace(rate=?, g=g)\ndef f(i): return i * R.rate",
        "1",
        "2",
    ),
    "a deque with a function": (
        "def g(x): return x\nR = collections.deque([g, ?])\ndef f(i): return R[1]",
        "1",
        "2",
    ),
    "a template": ("R = string.Template('?')\ndef f(i): return R.substitute(i)", "a$k", "b$k"),
    "a function's attribute": ("def f(i): return f.rate\nf.rate = ?", "1", "2"),
    "a dict whose keys are attributes": (
        "class D(dict): __getattr__ = dict.__getitem__\nR = D(a=?)\ndef f(i): return R.a",
        "1",
        "2",
    ),
    "an object whose attributes are those of another one": (
        (
            "class C:\n  def __init__(self, held): self.held = held\n"
            "  def __getattr__(self, name): return self.held[name]\nR = C({'a': ?})\ndef f(i): return R.a"
        ),
        "1",
        "2",
    ),
    "an object with slots whose attributes are those of another one": (
        (
            "class C:\n  __slots__ = ('held', 'unset')\n  def __init__(self, held): self.held = held\n"
            "  def __getattr__(self, name): return self.held[name]\nR = C({'a': ?})\ndef f(i): return R.a"
        ),
        "1",
        "2",
    ),
    "a class whose metaclass has every attribute": (
        "class M(type):\n  def __getattr__(c, n): return ?\nclass C(metaclass=M): pass\ndef f(i): return C.a",
        "1",
        "2",
    ),
    "a name with two underscores": ("__R = ?\ndef f(i): return __R", "1", "2"),
}
SAME = {
    "the order of a table": ("R = {?}\ndef f(i): return R[i] if i in R else R.get(0)", "1: 2, 3: 4", "3: 4, 1: 2"),
    "the order of a bound table": ("R = {?}\ng = R.get\ndef f(i): return g(i)", "1: 2, 3: 4", "3: 4, 1: 2"),
    "the order of a set": ("R = {?}\ndef f(i): return list(R)", "1, 2", "2, 1"),
    "the order of named parameters": (
        "def g(*, a, b): return 1\ng.__kwdefaults__ = {?}\ndef f(i): return g",
        "'a': 1, 'b': 2",
        "'b': 2, 'a': 1",
    ),
    "a logger's level": ("L = logging.getLogger('given')\nL.setLevel(?)\ndef f(i): L.info(i)", "10", "40"),
    "the environment": ("os.environ['GIVEN'] = '?'\ndef f(i): return os.environ.get('B')", "1", "2"),
    "the flags that calculations leave": (
        "C = decimal.Context(prec=4)\ndef f(i): return C.divide(1, i)\n?",
        "",
        "f(3)",
    ),
}

ORDINARY = """
import abc, threading
NAMES = {"b": 1, "a": 2}
MISSING = object()
LOCK = threading.Lock()
LOG = logging.getLogger("given")
PRICE = Decimal("1.5")
CONTEXT = decimal.Context(prec=9)
QUEUE = collections.deque([1, 2])
SPACE = types.SimpleNamespace(b=1, a=2)
WORDS = frozenset({"b", "a"})
class Kind(enum.StrEnum):
    B = "b"
    A = "a"
    @property
    def upper(self): return self.value.upper()
    @classmethod
    def _missing_(cls, value): return cls.A
class Point(typing.NamedTuple):
    y: int = 1
    x: int = 2
@dataclasses.dataclass(slots=True)
class Limit:
    seen: list = dataclasses.field(default_factory=list)
    most: int = 7
class Base(abc.ABC):
    RATES = {"b": 1, "a": 2}
    @property
    def rate(self): return self.RATES["a"]
    @rate.setter
    def rate(self, value): self.held = value
@functools.singledispatch
def general(value): return value
def named(*, b=1, a=2): return a + b
@functools.cache
def cached(text): return text in WORDS
def f(i):
    with LOCK:
        LOG.info(i)
    return [NAMES[i], NAMES.get(i, MISSING), PRICE, CONTEXT, QUEUE, SPACE, Kind(i).upper, Point(), Limit(), Base.RATES,
            general(i), named(), cached(i)]
"""


@pytest.mark.parametrize(("text", "one", "other"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_these_differ(differ: Differ, text: str, one: str, other: str) -> None:
    differ(text, one, other)


@pytest.mark.parametrize(("text", "one", "other"), SAME.values(), ids=list(SAME))
def test_these_are_the_same(load: Load, text: str, one: str, other: str) -> None:
    first, second = (describe_function(load(text.replace("?", part)).f) for part in (one, other))
    assert first == second


@pytest.mark.parametrize("pair", ["Over(1, 5), Over(1, 6)", "Over(1, 5), Over(True, 5)"])
def test_objects_that_only_their_own_rules_call_equal_differ(load: Load, pair: str) -> None:
    """Otherwise, the first one described would stand for both, and its removal would change the other's meaning."""
    given = load(
        "@dataclasses.dataclass(frozen=True)\nclass Over:\n  a: int\n  b: int = dataclasses.field(compare=False)\n"
        f"  def __call__(self, item): return item['n'] > self.b\none, other = {pair}"
    )
    assert given.one == given.other
    assert describe_function(given.one) != describe_function(given.other)


def test_what_has_not_changed_is_described_as_by_earlier_releases(load: Load) -> None:
    """Another description would interrupt the generations of definitions that are what they were."""
    described = canonical_json(describe_function(load(ORDINARY).f))
    assert hashlib.sha256(described.encode()).hexdigest()[:16] == "31744a34820bead7"
