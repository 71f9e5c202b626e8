"""How a model says that it ran out of memory, which every library words in its own way."""

from __future__ import annotations

import re

_WORDS = re.compile(
    r"failed to allocate memory"  # onnxruntime's arena
    r"|bad[_ ]alloc"  # C++, and onnxruntime and boosters that pass it on
    r"|can(?:no|')t allocate memory"  # the system, and PyTorch on a processor
    r"|out of memory"  # CUDA, and PyTorch on it
    r"|cu(?:blas|dnn)_status_alloc_failed",
    re.IGNORECASE,
)


def is_shortage(error: BaseException) -> bool:
    """Tell whether a model failed for want of memory, so that fewer inputs may fit."""
    return isinstance(error, MemoryError) or _WORDS.search(str(error)) is not None
