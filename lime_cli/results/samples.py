"""The samples that explain an instance, as arrays for whoever fits something else to them."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from lime_cli.engine.instance import Instance
from lime_cli.engine.neighbourhood import Neighbourhood


def samples_bytes(instance: Instance, samples: Neighbourhood, targets: tuple[str, ...]) -> bytes:
    """Return an NPZ archive that needs no pickle; row 0 is the instance itself.

    ``interpretable`` (n + 1, d): which components a sample keeps; ``predictions`` (n + 1, k): what
    the model says; ``weights`` (n + 1,): proximity times mass; ``components`` (d,) and ``targets``
    (k,): names.
    """
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
