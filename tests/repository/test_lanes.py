from __future__ import annotations

import re

import pytest
from harness.lanes import LEFT_TO_TEST_ALL
from harness.pipelines import ROOT

TESTS = [*ROOT.glob("*/*/tests/test_*.py"), *ROOT.glob("tests/*/test_*.py")]


@pytest.mark.parametrize("pattern", LEFT_TO_TEST_ALL)
def test_each_pattern_is_of_a_test_that_exists(pattern):
    module, test = re.match(r"(test_\w+)\\\.py::(?:.*::)?(\w*)", pattern).groups()
    (path,) = [path for path in TESTS if path.stem == module]
    assert f"def {test}" in path.read_text()


def test_they_run_where_all_are_asked_for(pytester):
    name = "test_it_goes_on_where_it_was"
    pytester.makepyfile(
        test_mautic_contacts=f"""
        import pytest

        class TestStopped:
            @pytest.mark.parametrize("version", (5, 6))
            def {name}(self, version):
                pass
        """
    )
    for option, passed in ((), 1), (("--all",), 2):
        result = pytester.runpytest("-p", "harness.lanes", *option)
        result.assert_outcomes(passed=passed, deselected=2 - passed)
    # A test that is named runs in any case.
    named = f"test_mautic_contacts.py::TestStopped::{name}[5]"
    pytester.runpytest("-p", "harness.lanes", named).assert_outcomes(passed=1)
