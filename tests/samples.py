"""Sample pickles as the installed scikit-learn reads them."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

SUFFIXES = (".pkl", ".joblib")


def readable(name: str, folder: Path) -> Path:
    """Return a sample pickle's path, rebuilt into ``folder`` where its scikit-learn is another."""
    path = ROOT / "sample_models" / name
    if name not in unreadable():
        return path
    sys.path.insert(0, str(ROOT / "sample_models"))
    from build import rebuild

    return rebuild(path.stem, folder)


@cache
def unreadable() -> frozenset[str]:
    """Name the pickles that do not load here without a warning."""
    paths = [path for path in (ROOT / "sample_models").iterdir() if path.suffix in SUFFIXES]
    code = f"""import joblib, warnings
warnings.simplefilter("error")
for path in {list(map(str, paths))!r}:
    try:
        joblib.load(path)
    except Exception:
        print(path)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return frozenset(Path(line).name for line in done.stdout.splitlines())
