"""Compiled modules for the next start. The process that imports them writes no files, since a
stranger's model is asked in it: the one that waits for it writes them.

Installers such as uv leave packages uncompiled, and so does a fresh clone: every start would
compile a thousand modules again.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 48 << 10
"""Of paths at a time, which a pipe takes without a reader; the next run names the others."""


def uncompiled() -> bytes:
    """List the files whose modules this process imported and compiled, as lines."""
    if sys.flags.dont_write_bytecode:
        return b""
    found = b""
    for module in list(sys.modules.values()):
        with contextlib.suppress(Exception):  # what a model puts there may be anything
            spec = module.__spec__
            if spec is None or not (spec.cached and str(spec.origin).endswith(".py")):
                continue
            if _is_compiled(str(spec.origin), str(spec.cached)):
                continue
            line = os.fsencode(str(spec.origin)) + b"\n"
            if len(found) + len(line) > MOST_BYTES:
                break
            found += line
    return found


def _is_compiled(source: str, cached: str) -> bool:
    try:
        return Path(cached).stat().st_mtime >= Path(source).stat().st_mtime
    except OSError:
        return False


def keep(listed: bytes) -> None:
    """Write what was compiled, of installed packages alone: the list comes from where a stranger's
    model was.

    Packages that cannot be written stay as they are.
    """
    import py_compile

    roots = list(_roots())
    with contextlib.suppress(OSError, ValueError, KeyboardInterrupt):
        for line in listed.split(b"\n"):
            path = Path(os.fsdecode(line))
            if path.suffix == ".py" and any(path.resolve().is_relative_to(one) for one in roots):
                py_compile.compile(str(path), quiet=2)


def _roots() -> Iterator[Path]:
    """Yield the folders of installed packages, and limex's own."""
    import site
    import sysconfig

    yield Path(__file__).resolve().parents[1]
    for name in ("stdlib", "purelib", "platlib"):
        yield Path(sysconfig.get_path(name)).resolve()
    if site.ENABLE_USER_SITE:
        yield Path(site.getusersitepackages()).resolve()
