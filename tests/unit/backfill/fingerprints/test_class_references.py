"""A description covers what a function's classes do: methods, properties, decorators, enums and metaclasses."""

import pytest

from tests.unit.backfill.fingerprints.conftest import Differ

DIFFERENT = {
    "an enum's method": (
        "W = ?\nclass K(enum.Enum):\n  A = 1\n  def w(self): return W\ndef f(i): return K(i).w()",
        "1",
        "2",
    ),
    "an enum's property": (
        (
            "def h(): return ?\nclass K(enum.Enum):\n  A = 1\n  @property\n  def w(self): return h()\n"
            "def f(i): return K(i).w"
        ),
        "1",
        "2",
    ),
    "an enum's own __new__": (
        (
            "W = ?\nclass K(enum.Enum):\n  A = 1\n  def __new__(cls, v):\n    o = object.__new__(cls)\n"
            "    o._value_ = v\n    o.w = W\n    return o\ndef f(i): return K(i).w"
        ),
        "1",
        "2",
    ),
    "what an enum makes of other values": (
        (
            "T = {'a': ?}\nclass K(enum.Enum):\n  A = 1\n  B = 2\n  @classmethod\n"
            "  def _missing_(cls, v): return cls(T[v])\ndef f(i): return K(i)"
        ),
        "1",
        "2",
    ),
    "a generic method": (
        "R = ?\nclass C:\n  @functools.singledispatchmethod\n  def w(self, x): return R\ndef f(i): return C().w(i)",
        "1",
        "2",
    ),
    "an implementation of a generic class method": (
        (
            "R = ?\nclass C:\n  @functools.singledispatchmethod\n  @classmethod\n  def w(cls, x): return 0\n"
            "  @w.register\n  @classmethod\n  def _(cls, x: int): return R\ndef f(i): return C.w(i)"
        ),
        "1",
        "2",
    ),
    "what makes a field's default": (
        (
            "def g(): return ?\n@dataclasses.dataclass\nclass C:\n  r: int = dataclasses.field(default_factory=g)\n"
            "def f(i): return C().r"
        ),
        "1",
        "2",
    ),
    "what makes a struct's default": (
        (
            "import msgspec\ndef g(): return ?\nclass C(msgspec.Struct):\n"
            "  r: int = msgspec.field(default_factory=g)\ndef f(i): return C().r"
        ),
        "1",
        "2",
    ),
    "a struct's default": (
        (
            "import msgspec\nD = ?\nclass C(msgspec.Struct, kw_only=True):\n  r: 'Unknown' = D\n  s: int\n"
            "def f(i): return C(s=1).r"
        ),
        "1",
        "2",
    ),
    "a field of a struct": (
        "import msgspec\nclass C(msgspec.Struct):\n  r: int\nX = C(?)\ndef f(i): return X.r",
        "1",
        "2",
    ),
    "a method of a struct": (
        "import msgspec\nD = ?\nclass C(msgspec.Struct):\n  def r(self): return D\ndef f(i): return C().r()",
        "1",
        "2",
    ),
    "a decorator of a method": (
        (
            "def twice(g):\n  @functools.wraps(g)\n  def h(self): return g(self) * ?\n  return h\n"
            "class C:\n  @twice\n  def x(self): return 1\ndef f(i): return C().x()"
        ),
        "2",
        "3",
    ),
    "a decorator of a property": (
        (
            "def twice(g): return lambda self: g(self) * ?\n"
            "class C:\n  @property\n  @twice\n  def x(self): return 1\ndef f(i): return C().x"
        ),
        "2",
        "3",
    ),
    "what a library's decorator of a method has got": (
        (
            "import contextlib\nR = ?\nclass C:\n  @contextlib.contextmanager\n  def x(self): yield R\n"
            "def f(i):\n  with C().x() as r: return r"
        ),
        "1",
        "2",
    ),
    "a function that a class has under another name": (
        "def g(self): return ?\nclass C:\n  x = g\ndef f(i): return C().x()",
        "1",
        "2",
    ),
    "a function that a class makes static": (
        "def g(): return ?\nclass C:\n  x = staticmethod(g)\nf = C.x",
        "1",
        "2",
    ),
    "a function that an enum has under another name": (
        "def g(self): return ?\nclass C(enum.Enum):\n  A = 1\n  x = g\ndef f(i): return C.A.x()",
        "1",
        "2",
    ),
    "a function that a class gets later": (
        "class C: pass\nC.x = lambda self: ?\ndef f(i): return C().x()",
        "1",
        "2",
    ),
    "a function that sets a property": (
        (
            "def g(self, v): self._x = v * ?\nclass C:\n  x = property(None, g)\n"
            "def f(i):\n  c = C()\n  c.x = 1\n  return c._x"
        ),
        "1",
        "2",
    ),
    "a kind of property": (
        (
            "class P(property):\n  def __get__(self, o, k=None): return super().__get__(o, k) * ?\n"
            "class C:\n  @P\n  def x(self): return 1\ndef f(i): return C().x"
        ),
        "1",
        "2",
    ),
    "the class of a decorator": (
        (
            "class D:\n  def __init__(self, g): functools.update_wrapper(self, g)\n"
            "  def __call__(self, i): return self.__wrapped__(i) * ?\n@D\ndef f(i): return 1"
        ),
        "2",
        "3",
    ),
    "what a decorator's object holds": (
        (
            "class D:\n  def __init__(self, g, r): functools.update_wrapper(self, g).r = r\n"
            "  def __call__(self, i): return self.__wrapped__(i) * self.r\nf = D(lambda i: 1, ?)"
        ),
        "2",
        "3",
    ),
    "a property's setter": (
        (
            "R = ?\nclass C:\n  @property\n  def x(self): return self._x\n  @x.setter\n"
            "  def x(self, v): self._x = v * R\ndef f(i):\n  c = C()\n  c.x = 1\n  return c.x"
        ),
        "1",
        "2",
    ),
    "a method of a metaclass": (
        "class M(type):\n  def w(cls): return ?\nclass C(metaclass=M): pass\ndef f(i): return C.w()",
        "1",
        "2",
    ),
    "a private slot": (
        (
            "class C:\n  __slots__ = ('__r',)\n  def __init__(self, r): self.__r = r\n  def w(self): return self.__r\n"
            "R = C(?)\ndef f(i): return R.w()"
        ),
        "1",
        "2",
    ),
    "a generic class with an argument": (
        "class C[T]:\n  def w(self): return ?\nD = C[int]\ndef f(i): return D().w()",
        "1",
        "2",
    ),
}


@pytest.mark.parametrize(("text", "one", "other"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_these_differ(differ: Differ, text: str, one: str, other: str) -> None:
    differ(text, one, other)
