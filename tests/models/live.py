"""Load each file named, plainly, in a process of its own; run by the tests as a script."""

import os
import sys
import warnings

import joblib
import numpy.f2py.crackfortran  # noqa: F401
import scipy.stats  # noqa: F401 - imported once, before the processes part
import sklearn.datasets
import sklearn.linear_model  # noqa: F401


def main() -> None:
    warnings.simplefilter("ignore")
    silent = os.open(os.devnull, os.O_RDWR)
    for path in sys.argv[1:]:
        child = os.fork()
        if child == 0:
            for stream in (0, 1, 2):
                os.dup2(silent, stream)
            try:
                joblib.load(path)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
