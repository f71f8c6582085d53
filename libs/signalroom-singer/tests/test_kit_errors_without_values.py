"""What an unexpected answer leads to names place and kind, and quotes no value."""

from __future__ import annotations

import pytest

from signalroom_singer.errors import MalformedResponseError, explain_malformed_responses

_PLANTED = "ann@example.org"


def _raised(code):
    with (
        pytest.raises(MalformedResponseError) as caught,
        explain_malformed_responses(lambda: "rows: GET /rows"),
    ):
        code()
    return str(caught.value)


@pytest.mark.parametrize(
    "code",
    (
        lambda: int(_PLANTED),
        lambda: {}[_PLANTED],
        lambda: [].index(_PLANTED),
        lambda: float(f"{_PLANTED} 4111111111111111"),
    ),
    ids=("int", "key", "index", "float"),
)
def test_values_are_not_quoted(code):
    said = _raised(code)
    assert _PLANTED not in said
    assert said.startswith("rows: GET /rows: unexpected response")
    assert "Error; test_kit_errors_without_values.py, line " in said


@pytest.mark.parametrize(
    ("code", "says"),
    (
        (lambda: {}["first_name"], "KeyError: 'first_name'"),
        (lambda: [*_PLANTED.values()], "'str' object has no attribute 'values'"),
        (lambda: _PLANTED + 1, 'can only concatenate str (not "int") to str'),
    ),
    ids=("field", "attribute", "type"),
)
def test_names_of_fields_and_types_are(code, says):
    assert says in _raised(code)
