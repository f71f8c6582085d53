"""What Atheris leads (`make fuzz-guided`) can be led: tests that need bytes and nothing else."""

from __future__ import annotations

import random

import pytest
from harness.fuzz.guided import PARSERS, led


@pytest.mark.parametrize("name", PARSERS)
def test_a_parsers_test_takes_bytes(name):
    tried = led(PARSERS[name])
    bytes_ = random.Random(name).randbytes(4096)
    # What the test was drawn from, which is other than None where it was run to its end.
    assert any(tried(bytes_[at:]) is not None for at in range(0, 4096, 64))
