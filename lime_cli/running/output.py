"""Where results go: standard output or a file that appears only when it is whole."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from lime_cli import clock
from lime_cli.console import Console, spelled_out
from lime_cli.errors import OutputError, SettingsError
from lime_cli.formats import Look, format_of, letters_told
from lime_cli.registry import FORMATS, MANY, SUFFIXES
from lime_cli.running.containment import TEMPORARY

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.engine.instance import Instance
    from lime_cli.engine.neighbourhood import Neighbourhood


_QUOTED = re.compile(rb'"[^"]*"')


def samples_bytes(instance: Instance, samples: Neighbourhood, targets: tuple[str, ...]) -> bytes:
    """Return an NPZ archive that needs no pickle; row 0 is the instance itself.

    ``interpretable`` (n + 1, d): which components a sample keeps; ``predictions`` (n + 1, k): what
    the model predicts; ``weights`` (n + 1,): proximity times mass; ``components`` (d,) and
    ``targets`` (k,): names.
    """
    import numpy as np

    stream = BytesIO()
    np.savez_compressed(
        stream,
        interpretable=samples.interpretable,
        predictions=samples.predictions,
        weights=samples.weights,
        components=np.array([one.name for one in instance.components], str),
        targets=np.array(targets, str),
    )
    return stream.getvalue()


@dataclass(frozen=True)
class Output:
    """The output options of a command."""

    path: str | None
    format: str
    force: bool
    console: Console
    no_color: bool
    drawings: tuple[str, ...] = ()
    """Formats of what is drawn beside the records of a batch, a file an instance."""

    label_map: str | None = None
    """Where the label map of an image goes."""
    samples: str | None = None
    """Where the samples of an instance go."""
    log: Path | None = None
    """The file that keeps the record of an instance alone, for an experiment tracker."""
    named: bool = True
    """Whether the format was named; if not, the suffix of ``path`` has to be one that is known."""

    def is_folder(self, several: bool) -> bool:
        """Tell whether ``-o`` means a folder: there is one, it is written so, or must be."""
        if self.path is None:
            return False
        _check_length(self.path)
        if self.path.endswith(("/", os.sep)) or Path(self.path).is_dir():
            return True
        suffix = Path(self.path).suffix.lower()
        return several and suffix not in SUFFIXES and not _is_of_files(suffix)

    def check(self, n_instances: int, folders: bool = False) -> None:
        """Refuse, before any model work, what cannot be written.

        ``folders`` says that the command writes a file an instance too, into a folder.
        """
        if n_instances > 1 and self.format not in MANY:
            each = f", or a file each in a folder: -o DIR -f {self.format}"
            lines = "-f jsonl"
            if self.path is not None and not self.named:
                lines = f"-o {Path(self.path).with_suffix('.jsonl')}"
            raise SettingsError(
                f"{n_instances} instances do not fit into one {self.format} file",
                f"use {lines}{each if folders and self.format != 'json' else ''}",
            )
        if self.path is None:
            if self.format in FILES and sys.stdout.isatty():
                what = "an image" if self.format in IMAGES else f"{self.format} data"
                raise SettingsError(
                    f"{what} cannot be printed on a terminal",
                    f"name a file: -o result.{self.format}",
                )
        else:
            if not self.named:
                format_of(self.path, FORMATS)
            self._check_file(self.path)

    def check_label_map(self, alone: bool) -> None:
        """Refuse a label map that cannot be written, or of anything but one image alone."""
        if self.label_map is None:
            return
        if not alone:
            raise _not_alone("--save-segments", "the label map", "image")
        if not self.label_map.lower().endswith((".png", ".npy")):
            said = f"--save-segments: {self.label_map} is neither PNG nor NPY"
            raise SettingsError(said, "name it FILE.png or FILE.npy")
        self._check_file(self.label_map)

    def check_samples(self, alone: bool, like_lime: bool) -> None:
        """Refuse samples that cannot be written, or of anything but one instance alone."""
        if self.samples is None:
            return
        if like_lime:
            raise SettingsError(
                "--save-samples: --like-lime keeps no samples", "leave one of them out"
            )
        if not alone:
            raise _not_alone("--save-samples", "the samples", "instance")
        if not self.samples.lower().endswith(".npz"):
            raise SettingsError(
                f"--save-samples: {self.samples} is not an NPZ file", "name it FILE.npz"
            )
        self._check_file(self.samples)

    def _check_file(self, name: str) -> None:
        _check_length(name)
        path = Path(name)
        if path.is_dir():
            raise OutputError(f"{name}: is a folder", "name a file")
        if is_stream(path):
            return
        if path.exists() and not self.force:
            raise OutputError(f"{name}: exists already", "choose another name, or add --force")
        if not path.parent.is_dir():
            raise OutputError(f"{name}: there is no folder {path.parent}", "create it first")
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{name}: the folder cannot be written to")

    @contextlib.contextmanager
    def opened(self, written: int = 0) -> Iterator[IO[bytes]]:
        """Open for writing; a file takes its name when it is whole, or leaves nothing.

        Of standard output so many bytes are ``written`` already, by an earlier process.
        """
        with letters_told() as told, self._stream(written) as stream:
            yield stream
        self.console.warn(told)

    @contextlib.contextmanager
    def _stream(self, written: int) -> Iterator[IO[bytes]]:
        if self.path is None:
            raw = self.format != "table" and sys.stdout.isatty()  # tables escape for themselves
            shown = (_shown_cells if self.format == "csv" else _shown) if raw else bytes
            stream = cast("IO[bytes]", _StandardOutput(sys.stdout.buffer, written, shown))
            yield stream
            stream.flush()
            return
        with whole(self.path) as stream:
            yield stream
        self.console.say(f"wrote {self.path}")

    def tell_findings(self, n: int) -> None:
        """Say why the exit code is 1 where the findings are in a file, or in none as of a PNG."""
        if n and self.path is not None:
            self.console.say(f"{n} finding{'s' if n > 1 else ''}: the exit code is 1")

    def check_log(self, alone: bool, into_folder: bool) -> None:
        """Refuse a log of several instances that are kept nowhere."""
        if self.log is not None and not (alone or into_folder):
            raise SettingsError(
                "--log: takes a folder for several instances or workers", "name it: -o DIR"
            )

    def keep(self, explanation: Explanation) -> None:
        """Write the label map of an image, and keep what is logged, where that was asked for."""
        if self.log is not None:
            with self.log.open("wb") as stream:
                FORMATS["jsonl"]([explanation], stream, Look())
        image = explanation.subject.image
        if self.label_map is None or image is None:
            return
        from lime_cli.images.segments import map_bytes

        self._put(self.label_map, map_bytes(image.labels, Path(self.label_map).suffix.lower()))

    def keep_samples(
        self, instance: Instance, samples: Neighbourhood, targets: tuple[str, ...]
    ) -> None:
        assert self.samples is not None
        self._put(self.samples, samples_bytes(instance, samples, targets))

    def _put(self, name: str, content: bytes) -> None:
        with whole(name) as stream:
            stream.write(content)
        self.console.say(f"wrote {name}")

    def look(self) -> Look:
        """Return how to draw: for a terminal its width and colours, for a file plainly."""
        terminal = self.path is None and sys.stdout.isatty()
        plain = (
            self.no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        )
        encoding = "utf-8" if self.path else (getattr(sys.stdout, "encoding", None) or "ascii")
        width = _columns() if terminal else int(os.environ.get("COLUMNS", "80"))
        forced = self.path is None and bool(
            os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE", "0") != "0"
        )
        colour = (terminal or forced) and not plain
        letters = encoding.lower().replace("-", "") == "utf8"
        return Look(
            width=max(40, width),
            colour=colour,
            true_colour=colour and os.environ.get("COLORTERM") in ("truecolor", "24bit"),
            unicode=letters and (terminal or self.path is not None),
            letters=letters,
        )


IMAGES = ("png", "jpg", "webp")

FILES = (*IMAGES, "parquet", "xlsx")
"""Formats that no terminal shows."""

LONGEST = 255
"""Bytes of a name, which no usual file system lets be longer."""


def _check_length(name: str) -> None:
    for part in Path(name).parts:
        n = len(os.fsencode(part))
        if n > LONGEST:
            said = f"{part[:20]}...: the name has {n} bytes, a file's may have {LONGEST}"
            raise OutputError(said, "choose a shorter one")


def _not_alone(option: str, what: str, whose: str) -> SettingsError:
    return SettingsError(
        f"{option}: holds {what} of one {whose}",
        f"name one {whose}, without a folder to write into and without workers",
    )


def _columns() -> int:
    """Return how wide the terminal is to which results go, which is not descriptor 1."""
    try:
        found = int(os.environ.get("COLUMNS", "0"))
        return found or os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _shown(content: bytes) -> bytes:
    """Spell out the control characters of a text, but for line ends and tabs."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    return spelled_out(text, "\n\t").encode()


def _shown_cells(content: bytes) -> bytes:
    """Spell out line ends in cells, too: what follows one is no line of its own."""
    return _shown(_QUOTED.sub(lambda cell: cell[0].replace(b"\n", b"\\n"), content))


class _StandardOutput:
    """Standard output, without what is there already; who keeps the time is told how much is.

    Between two flushes nothing gets out, for others may flush what Python holds back.
    """

    def __init__(self, stream: IO[bytes], skipped: int, shown: Callable[[bytes], bytes]) -> None:
        """Leave out the ``skipped`` bytes; ``shown`` tells how others may reach the stream."""
        self._stream, self._skipped, self._shown = stream, skipped, shown
        self._held: list[bytes] = []

    def write(self, content: bytes) -> int:
        self._held.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        content = b"".join(self._held)
        self._held.clear()
        known = min(self._skipped, len(content))
        self._skipped -= known
        self._stream.write(self._shown(content[known:]))
        self._stream.flush()
        clock.count_written(len(content))


@contextlib.contextmanager
def whole(name: str) -> Iterator[IO[bytes]]:
    """Open a file beside ``name`` that takes its place when all went well; or a device itself."""
    path, mode = Path(name), 0o666 & ~_umask()  # of now: a model may set another
    try:
        if is_stream(path):
            with path.open("ab") as stream:  # what a log holds already stays
                yield stream
            return
        import tempfile

        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=TEMPORARY.format(pid=os.getpid()), delete=False
        ) as stream:
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                Path(stream.name).chmod(mode)
                Path(stream.name).replace(path)
            except BaseException:
                Path(stream.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OutputError(f"{name}: cannot be written ({error.strerror})") from None


def is_stream(path: Path) -> bool:
    """Tell a device, a pipe or an open file, which is written to and never replaced."""
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        kept = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
        return not kept or (path.is_symlink() and path.parent.parts[:2] in _OPEN_FILES)
    return False


_OPEN_FILES = (("/", "dev"), ("/", "proc"))
"""Where the system has links such as /dev/stdout, which lead to whatever file that is."""


def _is_of_files(suffix: str) -> bool:
    """Tell a suffix of files, such as .pdf, from what a folder's name may end in: ``out.v2``."""
    import mimetypes

    return mimetypes.MimeTypes().guess_type(f"result{suffix}") != (None, None)


def path_of(typed: str | None) -> str | None:
    """Return where a result goes; None for standard output, which may be typed as ``-``."""
    return None if typed == "-" else typed


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
