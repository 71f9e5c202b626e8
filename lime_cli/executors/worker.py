"""The program of a worker process: takes works from its input, answers source by source.

It is started by ``executors.hand``. What it says: ``hello``; for every work ``ready`` once the
model is loaded, an ``outcome`` a source, then ``done``, or the ``error`` that concerns them all.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import traceback
from queue import Empty, SimpleQueue
from typing import IO

from lime_cli.containment import die_with
from lime_cli.errors import LimexError
from lime_cli.executors.wire import ROOM, receive, send
from lime_cli.jobs import ask_ahead, load
from lime_cli.outcomes import Work, complete

PARENTS_BUSINESS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that a terminal or a batch system sends to all: the parent decides what they mean."""


def main(parent: int | None, idle: float | None) -> None:
    """Work until the input ends, or for ``idle`` seconds none came; never return."""
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
    load(work.job)
    if not gc.get_freeze_count():  # but once, for what is garbage by then stays for good
        gc.freeze()  # model and libraries are not looked through again and again
    send(outcomes, ("ready", ask_ahead(work.job)))
    for outcome in complete(work):
        named = outcome.source._replace(record=None)  # the parent has its row already
        one_of_many = outcome.source.row is not None  # which are explained together
        send(outcomes, ("outcome", outcome._replace(source=named)), now=not one_of_many)
    send(outcomes, ("done",))
