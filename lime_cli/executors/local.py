"""This machine's processes: a dead or stuck one costs the instance it was busy with, no more."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Empty, SimpleQueue

from lime_cli.containment import death
from lime_cli.errors import LimexError, ModelError, OutputError, PredictionError
from lime_cli.executors import Workers
from lime_cli.executors.hand import Hand, Said
from lime_cli.executors.task import GRACE, Task, place_of
from lime_cli.modalities import Source
from lime_cli.outcomes import Outcome, Work

BAD_STARTS = 2
"""Processes in a row that may die before their model is loaded."""
BAD_ITEMS = 5
"""Instances that may take their process with them before any was explained."""
MOMENT = 0.1
"""Seconds between two looks at the clock and at whether to stop."""


class Local(AbstractContextManager["Local"]):
    """Works in ``workers.n`` processes, each with the model loaded once.

    They stay from one ``run_all`` to the next, and end with the ``with``, or with this process.
    """

    def __init__(
        self,
        workers: Workers,
        model: str,
        folder: str | None = None,
        idle: float | None = None,
    ) -> None:
        """Processes start in ``folder`` and end after ``idle`` seconds without work."""
        self._workers, self._model = workers, model
        self._folder, self._idle = folder, idle
        self._said: SimpleQueue[Said] = SimpleQueue()
        self._hands: list[Hand] = []
        self._n = workers.n
        self._again: deque[Task] = deque()
        self._bad_starts = self._bad_items = 0
        self._explained = False

    def run_all(
        self, works: Iterator[Work], stop: Callable[[], bool]
    ) -> Iterator[tuple[Work, tuple[Outcome, ...]]]:
        """Yield works with their outcomes as they are done; see ``Executor``."""
        tasks = (Task(work, self._workers.threads) for work in works)
        late = float("inf")
        try:
            while time.monotonic() < late:
                if late == float("inf") and stop():
                    late = time.monotonic() + GRACE
                if late == float("inf"):
                    self._hand_out(tasks)
                if not any(hand.task for hand in self._hands):
                    return
                for task in self._listen():
                    if late == float("inf") and not stop():
                        self._hand_out(tasks)  # nobody waits until what is done is written down
                    yield task.work, task.outcomes
        finally:
            self._drop()

    def close(self) -> None:
        """End every process."""
        for hand in self._hands:
            hand.close()
        self._hands.clear()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hand_out(self, tasks: Iterator[Task]) -> None:
        """Give every free hand a task, and every missing one that there is work for."""
        while True:
            free = next((one for one in self._hands if one.task is None), None)
            if free is None and len(self._hands) >= self._n:
                return
            task = self._again.popleft() if self._again else next(tasks, None)
            if task is None:
                return
            if len(self._hands) < self._n:
                free = self._started(task) or free
            if free is None:
                return
            free.take(task)

    def _started(self, task: Task) -> Hand | None:
        """Start one more hand; where the system allows no more, do with those there are."""
        threads = task.asked().job.model.threads or 1
        try:
            hand = Hand(threads, self._said, self._folder, self._idle)
        except OSError as error:
            if not self._hands:
                raise OutputError(
                    f"no process can be started ({error.strerror})",
                    "end others, or raise the limits: ulimit -u, ulimit -n",
                ) from None
            self._n = len(self._hands)
            if all(one.task for one in self._hands):
                self._again.appendleft(task)
            return None
        self._hands.append(hand)
        return hand

    def _listen(self) -> Iterator[Task]:
        """Yield the tasks that came to their end within a moment."""
        try:
            said = self._said.get(timeout=MOMENT)
        except Empty:
            self._end_late_ones()
            return
        with contextlib.suppress(Empty):
            while True:
                said.hand.heard(said)
                yield from self._heard(said)
                said = self._said.get_nowait()
        self._end_late_ones()

    def _end_late_ones(self) -> None:
        for hand in self._hands:
            if hand.is_late(self._workers.item_timeout):
                hand.late = True
                hand.kill()

    def _heard(self, said: Said) -> Iterator[Task]:
        hand, task = said.hand, said.hand.task
        match said.words:
            case ("ready", _):
                self._bad_starts = 0
            case ("outcome", outcome) if task:
                self._explained = self._explained or outcome.error is None
                task.heard(outcome)
            case ("done",):
                yield from self._released(hand)
            case ("error", error):
                raise error
            case ("bug", trace):
                raise RuntimeError(trace)
            case ("death", code) if hand in self._hands:
                self._hands.remove(hand)
                hand.close()
                if task:
                    self._died(hand, task, code)
                yield from self._released(hand)

    def _released(self, hand: Hand) -> Iterator[Task]:
        """Take the task from a hand: it is done, or somebody goes on with it."""
        task, hand.task = hand.task, None
        if task is None:
            return
        if task.done:
            yield task
        else:
            self._again.appendleft(task)

    def _died(self, hand: Hand, task: Task, code: int) -> None:
        """Charge a death: to the start, or to the source; raise ModelError for one too many."""
        if not hand.ready:
            self._bad_starts += 1
            if any(one.ready for one in self._hands):
                self._n = len(self._hands)
            elif self._bad_starts >= BAD_STARTS:
                raise death(self._model, code)
        elif task.struck(lambda source: self._reason(hand, code, source), hand.late):
            self._bad_items += 1
            if self._bad_items >= BAD_ITEMS and not self._explained:
                raise death(self._model, code, f" at each of the first {BAD_ITEMS}")

    def _reason(self, hand: Hand, code: int, source: Source) -> LimexError:
        where = f" at {place_of(source)}"
        if hand.late:
            name, seconds = Path(self._model).name, self._workers.item_timeout
            return PredictionError(f"{name}: no answer in {seconds:g} s{where}")
        why: ModelError = death(self._model, code, where)
        return PredictionError(why.message, why.hint)

    def _drop(self) -> None:
        """End the hands that are busy with what nobody waits for any more."""
        busy = [hand for hand in self._hands if hand.task]
        for hand in busy:
            self._hands.remove(hand)
            hand.close()
        self._again.clear()
