"""Whatever a vendor answers: the right rows, or an error that a person can read.

Never a crash, and never fewer rows in silence.
"""

from __future__ import annotations

import json
import os

import pytest
from fuzz.mutations import Mutation, mutations
from fuzz.taps import BY_NAME, catalog_of, patient, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalroom_singer.errors import FOR_USERS

FAST = 12
#: How many runs of each tap are spoiled; `make fuzz` has more, and other ones each time.
EXAMPLES = int(os.environ.get("SIGNALROOM_FUZZ", FAST))
profile = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == FAST,
    print_blob=True,
    deadline=None,
    database=None,
    # Fixtures of the whole session, and draws that run a tap.
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.timeout(0 if EXAMPLES > FAST else 300)


@pytest.fixture(scope="session")
def asked(sandbox_server):
    """What a tap offers, and what each of its streams gives; asked once."""
    catalogs, records = {}, {}

    def of(name, stream=None):
        patient(sandbox_server)
        if name not in catalogs:
            catalogs[name] = catalog_of(name, sandbox_server)
        if stream and (name, stream) not in records:
            found, error = read(name, sandbox_server, catalogs[name], stream, None)
            assert error is None
            records[name, stream] = comparable(found)
        return catalogs[name], records.get((name, stream))

    return of


def comparable(records):
    kept = [{name: row[name] for name in row if name != "_loaded_at"} for row in records]
    return sorted(json.dumps(row, sort_keys=True) for row in kept)


def some_stream(data, catalog):
    return data.draw(st.sampled_from([entry["stream"] for entry in catalog["streams"]]))


@pytest.mark.parametrize("name", BY_NAME)
@profile
@given(data=st.data())
def test_an_answer_that_was_spoiled_is_no_crash(sandbox_server, asked, name, data):
    catalog, _ = asked(name)
    stream, mutation = some_stream(data, catalog), data.draw(mutations())
    _, error = read(name, sandbox_server, catalog, stream, mutation)
    if error is not None:
        assert isinstance(error, FOR_USERS), repr(error)
        assert 10 < len(str(error)) < 1500


@pytest.mark.parametrize("name", BY_NAME)
@profile
@given(data=st.data())
def test_an_answer_to_another_question_is_no_empty_one(sandbox_server, asked, name, data):
    catalog, _ = asked(name)
    stream = some_stream(data, catalog)
    _, expected = asked(name, stream)
    request = data.draw(st.integers(0, 3))
    value = data.draw(st.sampled_from(("x", 7, {"surprise": [1]}, {"message": "Hello", "id": 1})))
    mutation = Mutation(request, "set", (), value)
    records, error = read(name, sandbox_server, catalog, stream, mutation)
    if error is None:
        assert comparable(records) == expected
