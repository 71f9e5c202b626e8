"""Sample pickles as the installed scikit-learn reads them."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.conftest import ROOT


def readable(name: str, folder: Path) -> Path:
    """Return a sample pickle's path, rebuilt into ``folder`` where its scikit-learn is another."""
    path = ROOT / "sample_models" / name
    if reads(path):
        return path
    sys.path.insert(0, str(ROOT / "sample_models"))
    from build import rebuild

    return rebuild(path.stem, folder)


@cache
def reads(path: Path) -> bool:
    """Tell whether a pickle loads here without a warning."""
    code = f"""import joblib, warnings
warnings.simplefilter("error")
joblib.load({str(path)!r})"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return done.returncode == 0
