"""What a model said to the samples of a table, kept on disk for the next run.

An entry is named by everything that its content depends on: the model's digest and the options
that change its answers, the background, how samples are drawn, and the versions of what computes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli import files
from lime_cli.engine.answers import Answers
from lime_cli.engine.instance import Model, Samples
from lime_cli.errors import OutputError, SettingsError
from lime_cli.files import digest_of
from lime_cli.models.model_file import ModelFile
from lime_cli.records.record import environment_of
from lime_cli.running.containment import TEMPORARY
from lime_cli.settings import Settings
from lime_cli.version import __version__

LOG = logging.getLogger("limex")


UNLIKE = ("path", "trust", "trust_modules", "sha256", "threads")
"""Of a model file, what changes none of its answers; the path stands for the digest."""

FLEETING = ("not_deterministic", "batch_dependent")
"""Warnings of models whose answers are not kept: the next run must find out again."""


class Cache(dict[str, Answers]):
    """Answers by number of samples and pool, as the engine keeps them, and a folder behind."""

    def __init__(self, folder: str, file: ModelFile, model: Model, settings: Settings) -> None:
        """Raise OutputError for a folder that cannot be made or written to."""
        super().__init__()
        if model.identity.format == "python":
            raise SettingsError(
                "--cache: what a function answers may hang on more than its file",
                "leave out --cache, or export the model",
            )
        self.folder, self.model = Path(folder), model
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            words = f"{folder}: cannot be written ({error.strerror})"
            raise OutputError(words, "give another --cache") from None
        options = file._asdict()
        self.about = {
            "model": model.identity.digest,
            "options": {name: options[name] for name in options if name not in UNLIKE},
            "tokenizer": dict(model.identity.options).get("tokenizer"),
            "sampling": [settings.seed, settings.design, settings.kernel_width],
            "limex": __version__,
            "environment": environment_of(model.identity.format, "tabular"),
        }

    def get(self, key: str, default: Any = None) -> Any:
        """Return what is known in this process or, with its digest checked, in the folder."""
        if key not in self:
            found = self._read(key)
            if found is not None:
                super().__setitem__(key, found)
        return super().get(key, default)

    def __setitem__(self, key: str, answers: Answers) -> None:
        """Keep answers, in the folder too unless they are there."""
        known = key in self
        super().__setitem__(key, answers)
        fleeting = any(one.code in FLEETING for one in self.model.caveats)
        if not known and not fleeting:
            self._write(key, answers)

    def _path(self, key: str) -> Path:
        words = json.dumps({**self.about, "pool": key}, sort_keys=True)
        return self.folder / f"{digest_of(words.encode())}.npz"

    def _read(self, key: str) -> Answers | None:
        path = self._path(key)
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as entry:
                arrays = {name: entry[name] for name in entry.files}
            digest = arrays.pop("digest").tobytes()
            if digest != _digest(key, arrays):
                raise ValueError("its digest is another")
            codes = arrays["codes"].astype(np.int64)
            samples = Samples(codes, arrays["mass"], int(arrays["blocks"]))
            return Answers(samples, arrays["predictions"])
        except FileNotFoundError:
            return None
        except Exception:  # damage shows in as many ways as zip files have parts
            LOG.warning("limex: %s: is damaged; the model is asked again", path)
            return None

    def _write(self, key: str, answers: Answers) -> None:
        codes = answers.samples.codes
        arrays: dict[str, NDArray[Any]] = {
            "codes": codes.astype(np.min_scalar_type(int(codes.max(initial=0)))),
            "mass": answers.samples.mass,
            "blocks": np.array(answers.samples.n_blocks),
            "predictions": answers.predictions,
        }
        digest = np.frombuffer(_digest(key, arrays), np.uint8)
        stream = BytesIO()
        np.savez(stream, **{**arrays, "digest": digest})  # type: ignore[arg-type]
        beginning = TEMPORARY.format(pid=os.getpid())  # other workers may write the same entry
        files.write_whole(self._path(key), stream.getvalue(), beginning)
        files.settle(self.folder)


def _digest(key: str, arrays: dict[str, NDArray[Any]]) -> bytes:
    digest = hashlib.sha256(key.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.digest()
