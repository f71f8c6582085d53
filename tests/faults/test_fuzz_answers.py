"""Whatever a vendor answers: the right rows, or an error that a person can read.

Never a crash, and never fewer rows in silence.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest
from harness.fuzz.mutations import Mutation, mutations
from harness.fuzz.profiles import EXAMPLES, TIMEOUT, profile
from harness.fuzz.taps import BY_NAME, read, records_of
from hypothesis import assume, given
from hypothesis import strategies as st

from signalroom_singer.errors import USER_ERRORS, MalformedResponseError

pytestmark = pytest.mark.timeout(TIMEOUT)

#: Answers to nothing that any tap asks.
OTHER = st.sampled_from(("x", 7, {"surprise": [1]}, {"message": "Hello", "id": 1}, [[1]], [7]))


def some_stream(data, catalog):
    return data.draw(st.sampled_from([entry["stream"] for entry in catalog["streams"]]))


def check(error, stream, path):
    """See that an error is for a person to read, and says of which request or stream it is."""
    assert isinstance(error, USER_ERRORS), repr(error)
    text = str(error)
    assert 10 < len(text) < 1500
    # A limit of the sandbox's is none of what is tried here.
    assert not re.search("HTTP 429 after|answered 429", text)
    places = [part for part in path.split("/") if len(part) > 3]
    assert any(place in text for place in (*places, f"{stream}:", "Spreadsheet")), (path, text)


class Tally:
    """How many runs of a tap were spoiled in earnest, and what came of them."""

    def __init__(self, name):
        self.name, self.counts = name, Counter()

    def check(self):
        """Fail if too little was tried."""
        print(f"{self.name}: {dict(self.counts)}")  # noqa: T201 - for `make fuzz`
        assert self.counts["runs"] >= EXAMPLES, self.counts


@pytest.mark.parametrize("name", BY_NAME)
def test_an_answer_that_was_spoiled_is_no_crash(sandbox_server, asked, name):
    catalog, _ = asked(name)
    tally = Tally(name)

    @profile()
    @given(data=st.data())
    def spoil(data):
        stream = some_stream(data, catalog)
        mutation = data.draw(mutations(files=name == "tap-sticky-s3"))
        _, error, found = read(name, sandbox_server, catalog, stream, mutation)
        assume(found.path)
        tally.counts["runs"] += 1
        if error is None:
            tally.counts["accepted"] += 1
            return
        check(error, stream, found.path)
        by_chance = isinstance(error, MalformedResponseError)
        tally.counts["refused, by chance" if by_chance else "refused"] += 1

    spoil()
    tally.check()


@pytest.mark.parametrize("name", BY_NAME)
def test_an_answer_to_another_question_is_no_empty_one(sandbox_server, asked, name):
    catalog, _ = asked(name)
    tally = Tally(name)

    @profile()
    @given(data=st.data())
    def spoil(data):
        stream = some_stream(data, catalog)
        expected = records_of(asked(name, stream)[1])
        mutation = Mutation(data.draw(st.integers(0, 3)), "set", (), data.draw(OTHER))
        messages, error, found = read(name, sandbox_server, catalog, stream, mutation)
        assume(found.path)
        tally.counts["runs"] += 1
        if error is None:
            assert records_of(messages) == expected

    spoil()
    tally.check()
