"""What may be loaded from a pickle: the names, the roles of each, and the known dangers."""

from __future__ import annotations

import _compat_pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIST = Path(__file__).with_name("allowed.txt")


REF = "ref"  # may stand as a value

NEW = "new"  # may be created without its constructor: cls.__new__(cls)

CALL = "call"  # may be called with what the file says

EVERY_ROLE = frozenset({REF, NEW, CALL})

NOTHING: frozenset[str] = frozenset()


# The search space of a randomised search: not needed to predict, and its classes run code from
# their state (scipy.stats.rv_generic compiles a signature out of it).
INERT_MODULES = re.compile(r"scipy\.stats(\.|$)")


OFFSETS = "pandas._libs.tslibs.offsets"
"""How far apart the rows of a data frame lie, for which something stands that does nothing."""

ZONE = ("zoneinfo", "ZoneInfo")

ZONE_OF = ("zoneinfo", "_unpickle")
"""A method of ``ZONE``, which pickles take by getattr."""


_PLAIN_NAME = re.compile(r"(?!__)[^\W\d]\w*")

_DOTTED_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

_LISTED_DUNDERS = re.compile(r"__(bit_generator|generator|randomstate)_ctor|__pyx_unpickle_\w+")


# Packages whose names in a model file are how attacks look; nothing of them is ever trusted by
# module. A package counts with everything in it.
_DANGER = frozenset(
    """
    _io _pickle _posixsubprocess _socket _sqlite3 _thread _winapi ast asyncio atexit bdb builtins
    bz2 cProfile cffi cgi code codecs codeop commands concurrent copy copyreg ctypes dill distutils
    doctest ensurepip faulthandler fcntl ftplib functools gc getpass glob gzip http idlelib imaplib
    importlib inspect io itertools joblib lib2to3 linecache logging lzma marshal mmap msvcrt
    multiprocessing nntplib nt numpy.DataSource numpy.distutils numpy.f2py numpy.fromfile
    numpy.fromregex numpy.genfromtxt numpy.lib numpy.load numpy.loadtxt numpy.memmap numpy.save
    numpy.savetxt numpy.savez numpy.savez_compressed numpy.testing operator os pathlib pdb pickle
    pickletools pip pkg_resources pkgutil platform poplib posix posixpath profile pty py_compile
    pydoc readline requests resource runpy setuptools shelve shutil signal site sklearn.datasets
    sklearn.externals smtplib socket socketserver sqlite3 ssl subprocess sys sysconfig tarfile
    telnetlib tempfile threading timeit torch trace traceback tracemalloc types typing unittest
    urllib uuid venv warnings weakref webbrowser wsgiref xmlrpc zipfile zipimport zipp
    """.split()  # noqa: SIM905 - a page of quotes would hide the words
)


Global = tuple[str, str]

PARTIAL: Global = ("functools", "partial")
"""Made of listed functions and plain arguments only."""

ARRAY_WRAPPER: Global = ("joblib.numpy_pickle", "NumpyArrayWrapper")
"""What describes an array whose bytes come next in the file."""

RECONSTRUCTOR: Global = ("copyreg", "_reconstructor")
"""Makes objects of protocols 0 and 1."""

GETATTR: Global = ("builtins", "getattr")
"""Methods of words are pickled by it; it is never taken itself."""


MEMORY: Global = ("joblib.memory", "Memory")
"""Something stands for it that keeps no files; it is never made itself."""


class Refused(Exception):
    """The file asks for something that no model needs; the text completes `it ...`."""


class Bomb(Refused):
    """The file is made to take all time or memory; trusting it would not help."""


@dataclass(frozen=True)
class AllowList:
    """The list, and the modules that the person at the keyboard trusts beyond it."""

    modules: tuple[str, ...] = ()

    def roles(self, module: str, name: str) -> frozenset[str]:
        """Give the roles in which a global may be used; none if it may not appear."""
        if not _DOTTED_MODULE.fullmatch(module):
            return NOTHING
        if INERT_MODULES.match(module) or module == OFFSETS:
            return EVERY_ROLE if _PLAIN_NAME.fullmatch(name) else NOTHING
        if _PLAIN_NAME.fullmatch(name):
            if module in self.modules and not is_danger(module, name):
                return EVERY_ROLE
        elif not _LISTED_DUNDERS.fullmatch(name):
            return NOTHING
        return listed().get((module, name), NOTHING)


@cache
def listed() -> Mapping[Global, frozenset[str]]:
    """Read the list that ships with limex: module and name to roles."""
    roles = {}
    for line in LIST.read_text("utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words:
            module, name, allowed = words
            roles[module, name] = frozenset(allowed.split(","))
    return roles


def canonical(module: str, name: str, protocol: int) -> Global:
    """Give a global the one name that the list knows it by.

    Names of Python 2 are mapped as `pickle` maps them; numpy 1 and 2 call their inner package
    `numpy.core` and `numpy._core`; scikit-learn 1.4 and 1.5 wrote their losses as `_loss`.
    """
    if protocol < 3:
        if (module, name) in _compat_pickle.NAME_MAPPING:
            module, name = _compat_pickle.NAME_MAPPING[module, name]
        else:
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
    if module == "_loss":
        return "sklearn._loss._loss", name
    if module == "numpy.core" or module.startswith("numpy.core."):
        return "numpy._core" + module[len("numpy.core") :], name
    return module, name


def is_danger(module: str, name: str) -> bool:
    """Tell whether a global belongs to a package that attacks use, or is such a function."""
    if (module, name) == PARTIAL:
        return False
    parts = [*module.split("."), *name.split(".")]
    return any(".".join(parts[:n]) in _DANGER for n in range(1, len(parts) + 1))
