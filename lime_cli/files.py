"""File operations that fail in one line each, digests of what was read, and work in a thread."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import IO, Any, Generic, TypeVar

from lime_cli.errors import OutputError

Done = TypeVar("Done")


UNFINISHED = ".limex-unfinished-"
"""How the names of files begin that are not whole yet."""

_PATIENCE = 1.0  # seconds to wait for a lock: a killed holder takes a moment to end

_WORDS = {
    errno.ENOSPC: ("the disk is full", "make room, then run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "make room, then run the same command again"),
    errno.ELOOP: ("it is a link", "remove it, or name another folder"),
    errno.EFBIG: ("the file grew beyond the limit", "raise it, then run the same command again"),
}


_LOOKED_AT = 5_000
"""Names in a folder, at most, among which the nearest is looked for."""


def nearest_file(path: object, what: str) -> str:
    """Say what to do about a path that leads nowhere: name the file there that it may mean."""
    from difflib import get_close_matches

    lost = Path(str(path))
    try:
        names = [one.name for one in islice(lost.parent.iterdir(), _LOOKED_AT)]
    except OSError:
        return f"check the path of the {what}"
    near = get_close_matches(lost.name, sorted(names), n=1, cutoff=0.75)
    return f"did you mean {lost.parent / near[0]}?" if near else f"check the path of the {what}"


def before(operation: str, path: Path) -> None:
    """Do nothing: what happens before every operation, where tests let one fail."""


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place at once or not at all; a link of that name is replaced.

    Its name lasts through a power cut once ``sync_folder`` was called on its folder.
    """
    write_pieces(path, [content])


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Put a file in place from its pieces, as ``write_whole`` does."""
    unfinished = path.with_name(f"{UNFINISHED}{path.name}"[:200])
    write_unfinished(unfinished, pieces)
    try:
        replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def write_unfinished(path: Path, pieces: Iterable[bytes], mode: int = 0o666) -> None:
    """Write and sync a file; remove it where that fails."""
    descriptor = _done("open", path, lambda: os.open(path, _NEW, mode))
    try:
        try:
            for piece in pieces:
                _write(descriptor, path, piece)
            _done("fsync", path, lambda: os.fsync(descriptor))
        finally:
            os.close(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def replace(source: Path, target: Path) -> None:
    """Give a file another's name; what had the name is gone."""
    _done("replace", target, lambda: source.replace(target))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last through a power cut."""
    if os.name == "nt":
        return
    descriptor = _done("open", folder, lambda: os.open(folder, os.O_RDONLY))
    try:
        _done("fsync", folder, lambda: os.fsync(descriptor))
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file that may be gone already."""
    _done("unlink", path, lambda: path.unlink(missing_ok=True))


def make_folder(path: Path) -> None:
    """Make a folder that may exist already."""
    _done("mkdir", path, lambda: path.mkdir(exist_ok=True))


def exists(path: Path) -> bool:
    """Tell whether there is anything of that name."""
    return _done("stat", path, path.exists)


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder of that name."""
    return _done("stat", path, path.is_dir)


def names_in(folder: Path) -> list[str]:
    """List a folder's names in the order of their bytes; none where there is no folder."""
    return _done("listdir", folder, lambda: _names_in(folder))


def read(path: Path) -> bytes:
    """Read a whole file of a batch's folder; raise OutputError for a link, which may lead away."""
    with _done("open", path, lambda: _plain(path)) as stream:
        return _done("read", path, stream.read)


def digest_of_result(path: Path) -> str:
    """Return the SHA-256 of a file of a batch's folder in hexadecimal; links are refused."""
    with _done("open", path, lambda: _plain(path)) as stream:
        return _done("read", path, lambda: _digest_of_stream(stream))


def _plain(path: Path) -> IO[bytes]:
    """Open a plain file; a pipe of that name would never be read to its end."""
    descriptor = os.open(path, os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def read_range(path: Path, start: int, size: int) -> Iterator[bytes]:
    """Read a part of a file of a batch's folder in pieces."""
    with _done("open", path, lambda: _plain(path)) as stream:
        stream.seek(start)
        while size > 0:
            most = min(size, _READ_BYTES)
            piece = _done("read", path, partial(stream.read, most))
            if not piece:
                raise OutputError(f"{path}: is shorter than it was", "give --restart")
            size -= len(piece)
            yield piece


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder; raise OutputError naming the process that holds it."""
    import socket

    descriptor = _done("open", path, lambda: os.open(path, _LOCKED, 0o666))
    try:
        if os.fstat(descriptor).st_nlink > 1:  # it would be truncated under its other name, too
            raise OutputError(f"{path}: is a link", "remove it, or name another folder")
        _done("lock", path, lambda: _lock(descriptor, path))
        holder = f"pid {os.getpid()} on {socket.gethostname()}\n".encode()
        _done("truncate", path, lambda: os.ftruncate(descriptor, 0))
        _write(descriptor, path, holder)
        yield
    finally:
        os.close(descriptor)


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

_LOCKED = os.O_RDWR | os.O_CREAT | _NO_LINK

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_LINK

_READ_BYTES = 1 << 20


def _names_in(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted((one.name for one in folder.iterdir()), key=os.fsencode)


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no flock: there nothing tells two runs apart
        return
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
        holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
        raise OutputError(
            f"{path.parent.parent}: is in use by {holder or 'another run'}",
            "wait for it, or name another folder",
        )


def _write(descriptor: int, path: Path, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[_done("write", path, partial(os.write, descriptor, rest)) :]


def _done(operation: str, path: Path, act: Callable[[], Done]) -> Done:
    """Do one operation; raise OutputError in words where the system refuses."""
    try:
        before(operation, path)
        return act()
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        words, hint = _WORDS.get(
            error.errno or 0, (said, "correct that, then run the same command again")
        )
        raise OutputError(f"{path}: cannot be written ({words})", hint) from None


SMALL = 64 << 20
"""Bytes of a file that is read whole and is none of the inputs: names, options, a profile."""


def read_small(path: Path, most: int = SMALL) -> bytes:
    """Read a file whole, a pipe, too; OSError for one that is too large, or has no end."""
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is longer than {most:,} bytes, or has no end", str(path))
    return content


def from_json(text: str | bytes, parse_float: Callable[[str], float] | None = None) -> Any:
    """Read JSON; ValueError for what is none, or is nested so deeply that nobody wrote it."""
    import json

    try:
        return json.loads(text, parse_float=parse_float, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def json_line(value: Any) -> bytes:
    """Return a value as a line of JSON, in ASCII."""
    import json

    return (json.dumps(value, separators=(",", ":")) + "\n").encode()


def json_page(value: Any) -> bytes:
    """Return a value as JSON for people to read, in ASCII; ValueError for NaN and infinity."""
    import json

    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def _no_number(spelled: str) -> float:
    raise ValueError(f"{spelled} is not a JSON number")


_HASH_BYTES = 1 << 18


def digest_of(data: bytes | memoryview) -> str:
    """Return the SHA-256 of ``data`` in hexadecimal."""
    import hashlib  # brings libcrypto

    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, reading it in pieces."""
    with path.open("rb", buffering=0) as file:
        return _digest_of_stream(file)


def _digest_of_stream(stream: IO[bytes]) -> str:
    import hashlib  # as above

    digest = hashlib.sha256()
    while piece := stream.read(_HASH_BYTES):
        digest.update(piece)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def secret() -> bytes:
    """Return what nobody knows but this account on this machine; empty where it cannot be kept.

    It is made when it is first needed, in a file that others cannot read.
    """
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(home) / "limex" / "key"
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = path.with_name(f"{UNFINISHED}{os.getpid()}")
            write_unfinished(new, [os.urandom(_SECRET_BYTES)], 0o600)
            with contextlib.suppress(FileExistsError):  # another process was quicker
                os.link(new, path)
            new.unlink()
        with _plain(path) as stream:
            key = stream.read()
    except (OSError, OutputError, RuntimeError):
        return b""
    return key if len(key) == _SECRET_BYTES else b""


_SECRET_BYTES = 32


T = TypeVar("T")


class InThread(Generic[T]):
    """A function that began to run when this was made."""

    def __init__(self, work: Callable[[], T], finish: bool = True) -> None:
        """A process that ends waits for ``work``, unless it need not ``finish``."""
        self._work = work
        self._done: list[T] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=not finish)
        self._thread.start()

    def result(self) -> T:
        """Wait for the function; return what it returned, raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._done[0]

    def _run(self) -> None:
        try:
            self._done.append(self._work())
        except BaseException as error:  # raised again where the result is wanted
            self._error = error
