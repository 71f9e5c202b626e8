"""A minute's share of the damaged inputs of ``tests/fuzz.py``."""

import pytest

from tests.fuzz import is_fine, tries


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_no_damaged_file_gets_more_than_a_line():
    left = iter(range(400))
    for kind, code, said, _ in tries(1, lambda: next(left, None) is not None):
        assert is_fine(code, said), (kind, code, said)
