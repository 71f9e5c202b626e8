"""The time limit ends sampling and says so; where it ends nothing, nothing changes."""

import json
import time

import pytest

PLACE = "py:tests.models.python_functions:"
TEXT = "explain", "text", "--text", " ".join(f"word{i}" for i in range(30)), "-f", "json"


def test_a_slow_model_is_asked_as_long_as_there_is_time(limex):
    began = time.monotonic()
    record = json.loads(limex(*TEXT, PLACE + "slow", "--time-limit", "1.2").out)
    assert time.monotonic() - began < 6
    assert record["stop"] == "time"
    assert record["samples"] in (256, 384, 512, 768)
    (warning,) = [one for one in record["warnings"] if one["code"] == "unresolved_top"]
    assert "raise --time-limit" in warning["message"]


def test_the_first_samples_are_asked_whatever_the_limit(limex):
    record = json.loads(limex(*TEXT, PLACE + "rough", "--time-limit", "0.000001").out)
    assert (record["stop"], record["samples"]) == ("time", 256)


def test_a_limit_that_ends_nothing_changes_no_byte(limex):
    case = (*TEXT, PLACE + "rough", "--max-samples", "512")
    assert limex(*case).out == limex(*case, "--time-limit", "600").out


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_limit_that_is_no_time_is_refused(limex, seconds):
    result = limex(*TEXT, PLACE + "rough", "--time-limit", seconds)
    assert result.code == 2
    assert result.err.startswith("limex: ")
    assert "--time-limit" in result.err
