"""What tests take for granted, whoever started them."""

import os
import signal
import sys

# Tests run side by side: threads inside a matrix product would only wait for each other.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Started by nohup, or in the background of a script, some signals are ignored; processes that tests
# start would ignore them too, as they should.
for number in (signal.SIGINT, getattr(signal, "SIGHUP", None)):
    if (
        "pytest" in sys.modules
        and number is not None
        and signal.getsignal(number) is signal.SIG_IGN
    ):
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, default)
