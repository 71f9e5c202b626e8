"""The program of a worker process, and the messages between it and its parent.

It is started by ``executors.hand``. What it says: ``hello``; for every work ``ready`` once the
model is loaded, an ``outcome`` a source, then ``done``, or the ``error`` that concerns them all.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import struct
import sys
import threading
import traceback
from queue import Empty, SimpleQueue
from typing import IO, Any

from lime_cli import clock
from lime_cli.errors import LimexError
from lime_cli.running import fence
from lime_cli.running.containment import die_with
from lime_cli.running.job import Work, complete, load

ROOM = 2**16
"""Bytes of messages that travel together, at most."""

_LENGTH = struct.Struct("<Q")


def send(stream: IO[bytes], message: Any, now: bool = True) -> None:
    """Write one message, or leave it to go with the next; OSError when nobody is there to read."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(content)) + content)
    if now:
        stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Return the next message, still pickled; None when no whole one comes any more."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return content if len(content) == length else None


PARENTS_BUSINESS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that a terminal or a batch system sends to all: the parent decides what they mean."""


def main(parent: int | None, idle: float | None, board: int | None) -> None:
    """Work until the input ends, or for ``idle`` seconds none came; never return.

    ``board`` is the descriptor of the file that the parent looks at.
    """
    if board is not None:
        clock.tell(clock.Board(board))
        os.close(board)
    numbers = {getattr(signal, one) for one in PARENTS_BUSINESS if hasattr(signal, one)}
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):  # the parent held them back until now
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    if parent is not None and sys.platform == "linux":
        die_with(parent)
    works, outcomes = _own_streams()
    given: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(works, given), daemon=True).start()
    send(outcomes, ("hello",))
    while True:
        try:
            content = given.get(timeout=idle)
        except Empty:
            os._exit(0)
        try:
            _work(pickle.loads(content), outcomes)
        except LimexError as error:
            send(outcomes, ("error", error))
        except Exception:  # a mistake of ours, told where it can be seen
            send(outcomes, ("bug", traceback.format_exc()))


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Keep input and output for messages: what a model prints goes to standard error."""
    works, outcomes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", ROOM)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return works, outcomes


def _listen(works: IO[bytes], given: SimpleQueue[bytes]) -> None:
    """Pass works on; end the process when the input ends, as it does when the parent is gone."""
    while (content := receive(works)) is not None:
        given.put(content)
    os._exit(0)


def _work(work: Work, outcomes: IO[bytes]) -> None:
    model = work.job.model
    trusts = bool(model.trust or model.trust_modules or model.imports)
    if fence.is_due(model.path, model.format, trusts, model.provider):
        fence.enter([], draws=bool(work.drawings))
    load(work.job)
    if not gc.get_freeze_count():  # but once, for what is garbage by then stays for good
        gc.freeze()  # model and libraries are not looked through again and again
    send(outcomes, ("ready",))
    for outcome in complete(work):
        named = outcome.source._replace(record=None)  # the parent has its row already
        one_of_many = outcome.source.row is not None  # which are explained together
        send(outcomes, ("outcome", outcome._replace(source=named)), now=not one_of_many)
    send(outcomes, ("done",))
