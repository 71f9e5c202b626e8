"""The system's fence around the process that asks a model: no programs, no network, no writing.

The tripwire sees what Python does; this holds what compiled code does, too. Linux alone has it:
Landlock for files, seccomp for system calls, both without any privilege and for good. Elsewhere,
and where the kernel has neither, nothing is said to be fenced and nothing fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

MAX_FILE_BYTES = 16 << 30
"""Of any file that the process writes."""

_PR_SET_NO_NEW_PRIVS = 38

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every processor

_BENEATH = 1  # a rule about everything under a folder

_WRITE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 13, 1 << 14

_MAKE_AND_REMOVE = sum(1 << bit for bit in range(4, 13))

_CONNECT_AND_BIND = 0b11

_SIGNALS_AND_ABSTRACT_SOCKETS = 0b11

_OFTEN_WRITTEN = ("/dev/null", "/dev/tty", "/dev/shm")  # by every library: nothing lasts there

_DENIED: dict[str, dict[str, int]] = {
    "x86_64": {
        "execve": 59, "execveat": 322, "fork": 57, "vfork": 58, "socket": 41, "ptrace": 101,
        "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "perf_event_open": 298,
        "userfaultfd": 323, "io_uring_setup": 425, "add_key": 248, "request_key": 249,
        "keyctl": 250, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
        "setns": 308, "unshare": 272, "init_module": 175, "finit_module": 313,
        "delete_module": 176, "kexec_load": 246, "open_by_handle_at": 304, "setxattr": 188,
        "lsetxattr": 189, "fsetxattr": 190, "chown": 92, "fchown": 93, "lchown": 94,
        "fchownat": 260, "pidfd_getfd": 438, "acct": 163, "reboot": 169,
    },
    "aarch64": {
        "execve": 221, "execveat": 281, "socket": 198, "ptrace": 117, "process_vm_readv": 270,
        "process_vm_writev": 271, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
        "io_uring_setup": 425, "add_key": 217, "request_key": 218, "keyctl": 219, "mount": 40,
        "umount2": 39, "pivot_root": 41, "chroot": 51, "setns": 268, "unshare": 97,
        "init_module": 105, "finit_module": 273, "delete_module": 106, "kexec_load": 104,
        "open_by_handle_at": 265, "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "fchownat": 54,
        "fchown": 55, "pidfd_getfd": 438, "acct": 89, "reboot": 142,
    },
}  # fmt: skip

_CLONE = {"x86_64": 56, "aarch64": 220}

_CLONE3 = 435  # its arguments cannot be looked at: libraries that are told it is missing use clone

_CLONE_THREAD = 0x10000

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_SET_FILTER = {"x86_64": 317, "aarch64": 277}  # seccomp itself

_ALL_THREADS = 1

_held: tuple[str, ...] | None = None


def is_due(path: str, form: str, trusts: bool, provider: str) -> bool:
    """Tell whether a model is asked behind the fence: a file that the person did not trust.

    Drivers of graphics cards start programs and open sockets of their own.
    """
    is_function = path.startswith("py:") or form == "python"
    return not (trusts or is_function or provider != "cpu")


def enter(writable: Iterable[str] = (), draws: bool = False) -> None:
    """Fence this process, once and for good; files are written under ``writable`` alone.

    A path that is no folder stands for the nearest one above it.
    """
    global _held
    if _held is not None:
        return
    if draws:
        _remember_fonts()
    _spare_programs()
    _limit_files()
    _held = ()
    if sys.platform != "linux":
        return
    system = ctypes.CDLL(None, use_errno=True)
    if system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return
    places = {_folder(place) for place in (*writable, _temporary())}
    version = _landlock(system, {*places, *map(Path, _OFTEN_WRITTEN)})
    held = [f"Landlock {version}"] if version else []
    if _seccomp(system):
        held.append("seccomp")
    _held = tuple(held)


def _temporary() -> str:
    """Return the folder that ``tempfile.gettempdir`` finds, without importing what it imports."""
    named = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    for place in (*named, "/tmp", "/var/tmp", "/usr/tmp"):
        if place and Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK):
            return place
    return str(Path.cwd())


def kept() -> str:
    """Name what fences this process: ``Landlock 6, seccomp``; empty for nothing."""
    return ", ".join(_held or ())


def _remember_fonts() -> None:
    """Let matplotlib list the fonts now, by a program: it keeps the list for later runs."""
    cache = os.environ.get("MPLCONFIGDIR") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    places = [Path(cache).expanduser(), Path(cache).expanduser() / "matplotlib"]
    if not any(True for place in places for _ in place.glob("fontlist-*.json")):
        with contextlib.suppress(ImportError):
            import matplotlib.font_manager  # noqa: F401 - which lists them


def _spare_programs() -> None:
    """Tell joblib how many processors to use: it would start a program to count them."""
    from lime_cli.models.pickles.tripwire import watch_threads

    os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")
    sys.dont_write_bytecode = True
    watch_threads()


def _limit_files() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        limit = MAX_FILE_BYTES if most == resource.RLIM_INFINITY else min(most, MAX_FILE_BYTES)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _folder(place: str) -> Path:
    path = Path(place).absolute()
    while path != path.parent:
        with contextlib.suppress(OSError):  # a name that is too long is told later
            if path.is_dir():
                return path
        path = path.parent
    return path


def _landlock(system: ctypes.CDLL, places: set[Path]) -> int:
    """Let nothing be written outside of ``places``; return the version of Landlock, 0 for none."""
    version: int = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 2:  # the first forbids to move files between folders, which runs do
        return 0
    files = _WRITE_FILE | (_TRUNCATE if version >= 3 else 0)
    everything = files | _MAKE_AND_REMOVE | _REFER
    network = _CONNECT_AND_BIND if version >= 4 else 0
    scope = _SIGNALS_AND_ABSTRACT_SOCKETS if version >= 6 else 0
    rules = struct.pack("=QQQ", everything, network, scope)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = system.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return 0
    try:
        for place in places:
            allowed = everything if place.is_dir() else files
            with contextlib.suppress(OSError):
                folder = os.open(place, os.O_PATH | os.O_CLOEXEC)
                rule = struct.pack("=Qi", allowed, folder)
                system.syscall(_ADD_RULE, ruleset, _BENEATH, rule, 0)
                os.close(folder)
        return version if system.syscall(_RESTRICT_SELF, ruleset, 0) == 0 else 0
    finally:
        os.close(ruleset)


def _seccomp(system: ctypes.CDLL) -> bool:
    """Refuse system calls that no prediction makes; tell whether the kernel took the filter."""
    machine = os.uname().machine
    if machine not in _DENIED or struct.calcsize("P") != 8:
        return False
    program = b"".join(_filter(machine))
    content = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(content))
    return bool(system.syscall(_SET_FILTER[machine], 1, _ALL_THREADS, head) == 0)


def _filter(machine: str) -> list[bytes]:
    """Write the filter's program: processor, number of the call, then what of it is refused."""
    load, equal, has, give = 0x20, 0x15, 0x45, 0x06
    allow, no, missing = 0x7FFF0000, 0x00050001, 0x00050026

    def step(code: int, value: int, yes: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, otherwise, value)

    program = [
        step(load, 4),
        step(equal, _ARCHITECTURE[machine], 1, 0),
        step(give, no),
        step(load, 0),
        step(0x35, 0x40000000, 0, 1),  # calls of another kind on the same processor
        step(give, no),
        step(equal, _CLONE3, 0, 1),
        step(give, missing),
        step(equal, _CLONE[machine], 0, 4),
        step(load, 16),
        step(has, _CLONE_THREAD, 0, 1),
        step(give, allow),
        step(give, no),
    ]
    for number in _DENIED[machine].values():
        program += [step(equal, number, 0, 1), step(give, no)]
    return [*program, step(give, allow)]
