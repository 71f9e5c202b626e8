"""Pickles that run code when they are loaded: each would make a marker appear."""

from __future__ import annotations

import builtins
import bz2
import codecs
import collections
import copyreg
import cProfile
import ctypes
import functools
import gzip
import importlib
import io
import itertools
import logging
import lzma
import marshal
import operator
import os
import pathlib
import pickle
import pkgutil
import posix
import profile
import pydoc
import runpy
import shelve
import shutil
import sqlite3
import subprocess
import tarfile
import timeit
import urllib.request
import uuid
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import scipy.stats
import sklearn.datasets
from joblib.parallel import BatchedCalls
from sklearn.linear_model import LogisticRegression


class Call:
    """Pickles as the call of a function, which happens on loading."""

    def __init__(self, function: object, *args: object) -> None:
        self.function, self.args = function, args


class Name:
    """Pickles as a global by its name alone, also where Python has no such object."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):
    """Python's pickler, which believes every callable."""

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Name):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.args)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def dumps(thing: object, protocol: int = 4) -> bytes:
    """Pickle calls of anything, results and instances included."""
    file = io.BytesIO()
    _Pickler(file, protocol).dump(thing)
    return file.getvalue()


def touch(marker: Path) -> str:
    """Give the shell command of the payloads."""
    return f"touch {marker}"


def code(marker: Path) -> str:
    """Give the Python code of the payloads."""
    return f"__import__('pathlib').Path({str(marker)!r}).touch()"


def _module(name: str) -> Call:
    return Call(importlib.import_module, name)


def _function(marker: Path) -> Call:
    program = marshal.dumps(compile(code(marker), "model", "exec"))
    space = {"__builtins__": Name("builtins", "__dict__")}
    return Call(Call(Name("types", "FunctionType"), Call(marshal.loads, program), space))


def _script(marker: Path) -> str:
    path = marker.with_suffix(".script")
    path.write_text(code(marker), "utf-8")
    return str(path)


# What each payload calls; every one is live under plain pickle.
CALLS: dict[str, Callable[[Path], object]] = {
    "os.popen": lambda m: Call(os.popen, touch(m)),
    "os.spawnlp": lambda m: Call(os.spawnlp, os.P_WAIT, "touch", "touch", str(m)),
    "os.execlp": lambda m: Call(os.execlp, "touch", "touch", str(m)),
    "os.posix_spawnp": lambda m: Call(os.posix_spawnp, "touch", ["touch", str(m)], {}),
    "os.mkdir": lambda m: Call(os.mkdir, str(m)),
    "os.open": lambda m: Call(os.open, str(m), os.O_CREAT),
    "posix.system": lambda m: Call(posix.system, touch(m)),
    "subprocess.Popen": lambda m: Call(subprocess.Popen, ["touch", str(m)]),
    "subprocess.run": lambda m: Call(subprocess.run, ["touch", str(m)]),
    "subprocess.getoutput": lambda m: Call(subprocess.getoutput, touch(m)),
    "builtins.eval": lambda m: Call(eval, code(m)),
    "builtins.exec": lambda m: Call(exec, code(m)),
    "builtins.compile": lambda m: Call(exec, Call(compile, code(m), "model", "exec")),
    "builtins.open": lambda m: Call(open, str(m), "w"),
    "builtins.__import__": lambda m: Call(
        Call(getattr, Call(builtins.__import__, "os"), "system"), touch(m)
    ),
    "getattr chain": lambda m: Call(Call(getattr, _module("os"), "system"), touch(m)),
    "functools.partial": lambda m: Call(Call(functools.partial, os.system, touch(m))),
    "functools.reduce": lambda m: Call(functools.reduce, exec, [code(m), {}]),
    "operator.methodcaller": lambda m: Call(
        Call(operator.methodcaller, "system", touch(m)), _module("os")
    ),
    "operator.attrgetter": lambda m: Call(
        Call(Call(operator.attrgetter, "system"), _module("os")), touch(m)
    ),
    "operator.getitem on a defaultdict": lambda m: Call(
        operator.getitem,
        Call(collections.defaultdict, Call(functools.partial, os.system, touch(m))),
        0,
    ),
    "list of a map": lambda m: Call(list, Call(map, os.system, [touch(m)])),
    "set of a map": lambda m: Call(set, Call(map, os.system, [touch(m)])),
    "bytes of a map": lambda m: Call(bytes, Call(map, os.system, [touch(m)])),
    "dict of a map": lambda m: Call(collections.OrderedDict, Call(map, os.system, [touch(m)])),
    "itertools.starmap": lambda m: Call(
        collections.deque, Call(itertools.starmap, os.system, [(touch(m),)])
    ),
    "runpy.run_path": lambda m: Call(runpy.run_path, _script(m)),
    "timeit.timeit": lambda m: Call(timeit.timeit, code(m), "pass", timeit.default_timer, 1),
    "cProfile.run": lambda m: Call(cProfile.run, code(m)),
    "profile.run": lambda m: Call(profile.run, code(m)),
    "pydoc.pipepager": lambda m: Call(pydoc.pipepager, "", touch(m)),
    "pydoc.locate": lambda m: Call(Call(pydoc.locate, "os.system"), touch(m)),
    "pkgutil.resolve_name": lambda m: Call(Call(pkgutil.resolve_name, "os:system"), touch(m)),
    "uuid._get_command_stdout": lambda m: Call(uuid._get_command_stdout, "touch", str(m)),
    "ctypes.CDLL": lambda m: Call(
        Call(getattr, Call(ctypes.CDLL, None), "system"), touch(m).encode()
    ),
    "code object": _function,
    "pickle.loads": lambda m: Call(pickle.loads, dumps(Call(os.system, touch(m)))),
    "shutil.copyfile": lambda m: Call(shutil.copyfile, __file__, str(m)),
    "io.FileIO": lambda m: Call(io.FileIO, str(m), "w"),
    "codecs.open": lambda m: Call(codecs.open, str(m), "w"),
    "gzip.open": lambda m: Call(gzip.open, str(m), "w"),
    "zipfile.ZipFile": lambda m: Call(zipfile.ZipFile, str(m), "w"),
    "tarfile.open": lambda m: Call(tarfile.open, str(m), "w"),
    "sqlite3.connect": lambda m: Call(sqlite3.connect, str(m)),
    "shelve.open": lambda m: (Call(shelve.open, str(m)), Call(open, str(m), "w")),
    "logging.FileHandler": lambda m: Call(logging.FileHandler, str(m)),
    "pathlib.Path.touch": lambda m: Call(pathlib.Path.touch, Call(pathlib.Path, str(m))),
    "urllib.request.urlretrieve": lambda m: Call(
        urllib.request.urlretrieve, Path(__file__).as_uri(), str(m)
    ),
    "numpy.savetxt": lambda m: Call(np.savetxt, str(m), [1]),
    "numpy.memmap": lambda m: Call(np.memmap, str(m), "u1", "w+", 0, (1,)),
    "numpy.ndarray.tofile": lambda m: Call(np.ndarray.tofile, np.zeros(1), str(m)),
    "numpy.frompyfunc": lambda m: Call(Call(np.frompyfunc, os.system, 1, 1), touch(m)),
    "numpy.vectorize": lambda m: Call(Call(np.vectorize, os.system), touch(m)),
    "numpy.lib.format.open_memmap": lambda m: Call(
        Name("numpy.lib.format", "open_memmap"), str(m), "w+", None, (1,)
    ),
    "numpy.testing.runstring": lambda m: Call(
        Name("numpy.testing._private.utils", "runstring"), code(m), {}
    ),
    "numpy.f2py.crackfortran.myeval": lambda m: Call(
        Name("numpy.f2py.crackfortran", "myeval"), code(m)
    ),
    "joblib.dump": lambda m: Call(joblib.dump, 1, str(m)),
    "joblib.BatchedCalls": lambda m: Call(
        Call(BatchedCalls, [(os.system, (touch(m),), {})], ("loky", None))
    ),
    "sklearn.datasets.get_data_home": lambda m: Call(sklearn.datasets.get_data_home, str(m)),
    "sklearn.datasets.dump_svmlight_file": lambda m: Call(
        sklearn.datasets.dump_svmlight_file, [[1.0]], [1], str(m)
    ),
    "copyreg._reconstructor": lambda m: Call(
        copyreg._reconstructor, subprocess.Popen, subprocess.Popen, ["touch", str(m)]
    ),
    "dotted name in an allowed module": lambda m: Call(
        Name("numpy.ma.core", "inspect.os.system"), touch(m)
    ),
    "name that an allowed module imported": lambda m: Call(
        Call(getattr, Call(getattr, Name("numpy.ma.core", "inspect"), "os"), "system"), touch(m)
    ),
    "hidden in a fitted model": lambda m: {"model": LogisticRegression(), "x": Call(eval, code(m))},
    "hidden in an argument": lambda m: Call(slice, Call(eval, code(m)), None, None),
}


def _text(text: str) -> bytes:
    return pickle.BINUNICODE + len(text.encode()).to_bytes(4, "little") + text.encode()


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _system(marker: Path) -> bytes:
    return _global("os", "system") + _text(touch(marker)) + b"\x85R"


def _joblib(marker: Path, compress: object = 0, protocol: int = 4) -> bytes:
    """Write, as joblib does, an array and then a call: scanners stop at the raw bytes."""
    plain = io.BytesIO()
    joblib.dump([np.arange(9.0), _Reduced(eval, code(marker))], plain, 0, protocol)
    file = io.BytesIO()
    packers: dict[object, Callable[[bytes], bytes]] = {
        "zlib": zlib.compress,
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    }
    file.write(packers[compress](plain.getvalue()) if compress else plain.getvalue())
    return file.getvalue()


class _Reduced:
    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def _joblib_objects(marker: Path) -> bytes:
    """Hide the call in the second pickle that joblib writes for an array of objects."""
    file = io.BytesIO()
    joblib.dump({"classes": np.array([_Reduced(eval, code(marker)), "no"], object)}, file)
    return file.getvalue()


def _patched_class(marker: Path) -> bytes:
    """Give an allowed class a __setstate__, then use it."""
    cls = _global("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer")
    patch = b"(N}" + _text("__setstate__") + _global("os", "system") + b"stb0"
    return b"\x80\x02" + cls + patch + cls + b")\x81" + _text(touch(marker)) + b"b."


def _distribution(marker: Path) -> bytes:
    """Let scipy run the template that its distributions keep in their state."""
    state = vars(scipy.stats.norm).copy()
    kept = {key: value for key, value in state.items() if isinstance(value, str | int | float)}
    kept["_parse_arg_template"] = code(marker)
    cls = _global("scipy.stats._continuous_distns", "norm_gen")
    return b"\x80\x04" + cls + b")\x81" + pickle.dumps(kept, 4)[2:-1] + b"b."


def _framed(data: bytes) -> bytes:
    return b"\x80\x04\x95" + len(data).to_bytes(8, "little") + data


# Whole files; live under plain pickle or joblib.
FILES: dict[str, Callable[[Path], bytes]] = {
    **{
        f"os.system, protocol {n}": lambda m, n=n: dumps(Call(os.system, touch(m)), n)
        for n in range(6)
    },
    "a first instruction of protocol 0": lambda m: (
        b"cos\nsystem\n(S'" + touch(m).encode() + b"'\ntR."
    ),
    "INST": lambda m: b"(S'" + touch(m).encode() + b"'\nios\nsystem\n.",
    "OBJ": lambda m: b"\x80\x02(cos\nsystem\nS'" + touch(m).encode() + b"'\no.",
    "names of Python 2": lambda m: b"\x80\x02c__builtin__\neval\n" + _text(code(m)) + b"\x85R.",
    "modules of Python 2": lambda m: (
        b"\x80\x02ccommands\ngetoutput\n" + _text(touch(m)) + b"\x85R."
    ),
    "STACK_GLOBAL": lambda m: _framed(
        _text("os") + _text("system") + b"\x93" + _text(touch(m)) + b"\x85R."
    ),
    "STACK_GLOBAL from the memo": lambda m: _framed(
        _text("system")
        + b"\x94"
        + _text("os")
        + b"\x94"
        + b"h\x01h\x00\x93"
        + _text(touch(m))
        + b"\x85R."
    ),
    "STACK_GLOBAL of computed names": lambda m: (
        b"\x80\x04"
        + _text("os")
        + _global("builtins", "str")
        + b"C\x06system"
        + _text("ascii")
        + b"\x86R\x93"
        + _text(touch(m))
        + b"\x85R."
    ),
    "extension registry": lambda m: (
        b"\x80\x02"
        + _global("copyreg", "add_extension")
        + _text("os")
        + _text("system")
        + b"K\x81\x87R0\x82\x81"
        + _text(touch(m))
        + b"\x85R."
    ),
    "DUP": lambda m: b"\x80\x02" + _global("os", "system") + b"2" + _text(touch(m)) + b"\x85R.",
    "memo overwritten": lambda m: (
        b"\x80\x02"
        + _global("builtins", "set")
        + b"q\x00"
        + _global("os", "system")
        + b"q\x000"
        + b"0h\x00"
        + _text(touch(m))
        + b"\x85R."
    ),
    "popped before the end": lambda m: b"\x80\x02" + _system(m) + b"0}.",
    "under a mark that is dropped": lambda m: b"\x80\x02}(" + _system(m) + b"1.",
    "broken after the call": lambda m: b"\x80\x02" + _system(m) + b"\xff\xff",
    "cut after the call": lambda m: b"\x80\x02" + _system(m),
    "broken frame": lambda m: b"\x80\x02" + _system(m) + b"\x95\xff\xff\xff\xff\xff\xff\xff\xff.",
    "class patched by BUILD": _patched_class,
    "a distribution of scipy": _distribution,
    "joblib": _joblib,
    "joblib, protocol 2": lambda m: _joblib(m, protocol=2),
    **{
        f"joblib, {how}": lambda m, how=how: _joblib(m, how)
        for how in ("zlib", "gzip", "bz2", "xz", "lzma")
    },
    "joblib, array of objects": _joblib_objects,
}

# Rules that are broken with allowed names only: dead under plain pickle, refused all the same.
LOGISTIC = _global("sklearn.linear_model._logistic", "LogisticRegression")
DTYPE = b"\x80\x02" + _global("numpy", "dtype") + _text("f8") + b"\x85R"
BROKEN_RULES: dict[str, bytes] = {
    "asks for persistent objects": b"\x80\x02" + _text("x") + b"Q.",
    "asks for persistent objects in protocol 0": b"Px\n.",
    "asks for buffers": b"\x80\x05\x97.",
    "uses the extension registry": b"\x80\x02\x82\x01.",
    "calls an instance": b"\x80\x02" + LOGISTIC + b")\x81)R.",
    "calls a result": b"\x80\x02" + _global("builtins", "set") + b")R)R.",
    "makes an object of an instance": b"\x80\x02" + LOGISTIC + b")\x81)\x81.",
    "calls a class that may only be made": b"\x80\x02" + LOGISTIC + b")R.",
    "calls a function that may only be named": b"\x80\x02"
    + _global("numpy", "mean")
    + b"K\x01\x85R.",
    "calls without a tuple": b"\x80\x02" + _global("builtins", "set") + b"]R.",
    "changes a class": b"\x80\x02" + LOGISTIC + b"}" + _text("predict") + b"K\x01sb.",
    "puts items into an instance": b"\x80\x02" + LOGISTIC + b")\x81" + _text("x") + b"K\x01s.",
    "appends to an instance": b"\x80\x02" + LOGISTIC + b")\x81K\x01a.",
    "adds to a list as to a set": b"\x80\x04](K\x01\x90.",
    "uses an instance of its own as a class": b"\x80\x02"
    + _global("copyreg", "_reconstructor")
    + LOGISTIC
    + LOGISTIC
    + b"N\x87R.",
    "gives two states": b"\x80\x02" + LOGISTIC + b")\x81}b}b.",
    "gives the state of another object": b"\x80\x02" + LOGISTIC + b")\x81" + LOGISTIC + b")\x81b.",
    "sets an array interface": b"\x80\x02"
    + LOGISTIC
    + b")\x81}"
    + _text("__array_interface__")
    + b"}sb.",
    "sets an array interface in a bunch": b"\x80\x02"
    + _global("sklearn.utils._bunch", "Bunch")
    + b")\x81"
    + _text("__array_interface__")
    + b"}s.",
    "makes bytes of a number": b"\x80\x02"
    + _global("builtins", "bytes")
    + b"J\xff\xff\xff\x7f\x85R.",
    "encodes with another codec": b"\x80\x02"
    + _global("_codecs", "encode")
    + _text("x")
    + _text("zlib")
    + b"\x86R.",
    "reads a dtype from a class": b"\x80\x02" + _global("numpy", "dtype") + LOGISTIC + b"\x85R.",
    "forges the flags of a dtype": DTYPE
    + b"(K\x03"
    + _text("<")
    + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb.",
    "forges the size of a dtype": b"\x80\x02"
    + _global("numpy", "dtype")
    + _text("V8")
    + b"\x85R"
    + b"(K\x03"
    + _text("|")
    + b"NNNM\xff\x7fK\x01K\x00tb.",
    "makes a scalar of any object": b"\x80\x02"
    + _global("numpy._core.multiarray", "scalar")
    + DTYPE[2:].replace(b"f8", b"O8")
    + LOGISTIC
    + b"\x86R.",
    "makes a large array of nothing": b"\x80\x02"
    + _global("numpy._core.multiarray", "_reconstruct")
    + _global("numpy", "ndarray")
    + b"J\xff\xff\xff\x7f\x85C\x01b\x87R.",
    "names no module": b"\x80\x04" + _text("") + _text("x") + b"\x93.",
    "names a private part of Python": b"\x80\x04"
    + _text("sklearn.base")
    + _text("__builtins__")
    + b"\x93.",
    "lets a generator call what it likes": b"\x80\x02"
    + _global("numpy.random._pickle", "__randomstate_ctor")
    + _text("MT19937")
    + LOGISTIC
    + b"\x86R.",
    "lets a dictionary call what it likes": b"\x80\x02"
    + _global("collections", "defaultdict")
    + LOGISTIC
    + b"\x85R.",
    "lets a tree constructor make other things": b"\x80\x02"
    + _global("sklearn.neighbors._kd_tree", "newObj")
    + LOGISTIC
    + b"\x85R.",
    "nests tuples until hashing overflows": b"\x80\x02})" + b"\x85" * 100000 + b"K\x01s.",
    "names a second file": b"\x80\x02"
    + _global("joblib.numpy_pickle_compat", "NDArrayWrapper")
    + b")\x81.",
}


def payloads() -> dict[str, Callable[[Path], bytes]]:
    """Give every live payload by name, as the bytes of a file for a marker."""
    calls = {name: lambda m, make=make: dumps(make(m)) for name, make in CALLS.items()}
    return {**calls, **FILES}
