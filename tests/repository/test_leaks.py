"""What looks for secrets in the output of all tests finds them."""

from __future__ import annotations

import pytest

LEAKING = {
    "printed": "print(SECRET)",
    "in a URL": "print('https://example.com/?key=' + quote(SECRET, safe=''))",
    "in a header": "print('Basic ' + b64encode(('reader:' + SECRET).encode()).decode())",
    "on standard error": "print(SECRET, file=sys.stderr)",
    "logged": "logging.getLogger().warning('with %s', SECRET)",
    "looked at by the test": "print(SECRET); assert capsys.readouterr()",
    "a process's": "run([sys.executable, '-c', f'print({SECRET!r})'], capture_output=True)",
    "a process's, printed through": "run([sys.executable, '-c', f'print({SECRET!r})'])",
    "of a variable": (
        "run([sys.executable, '-c', 'import os; print(os.environ[\"MY_API_KEY\"])'],"
        " capture_output=True, env={'MY_API_KEY': 'nobody-knows-that'})"
    ),
    "of a URL": (
        "run([sys.executable, '-c', 'import os; print(os.environ[\"A_URL\"][14:])'],"
        " capture_output=True, env={'A_URL': 'https://reader:n0body-knows-th%2Fs@example.com'})"
    ),
    "in a file": "(tmp_path / 'run.log').write_text(f'at {SECRET}')",
    "in Meltano's database": (
        "(tmp_path / '.meltano').mkdir();"
        " (tmp_path / '.meltano/meltano.db').write_bytes(b'\\x00\\xff' + SECRET.encode())"
    ),
}
QUIET = {
    "settings": "(tmp_path / 'config.json').write_text(SECRET)",
    "given": "run([sys.executable, '-c', ''], env={'MY_API_KEY': SECRET})",
    "removed": "print('key=<redacted>')",
    "nothing": "print('a key that is not told')",
}
TEST = """
import logging
import sys
from base64 import b64encode
from subprocess import run
from urllib.parse import quote
SECRET = "nobody-knows/+=%7713"
{before}
def test_it(tmp_path, leaks{fixture}):
    # None that a tap was given in this process before: the kit removes those from the log.
    leaks.learn([SECRET])
    {code}
"""


def outcomes(pytester, code, before=""):
    fixture = ", capsys" if "capsys" in code else ""
    pytester.makepyfile(TEST.format(code=code, fixture=fixture, before=before))
    return pytester.runpytest_inprocess(
        "-p", "signalroom_singer.testing.plugin", "-p", "no:xdist", "-p", "no:cacheprovider"
    )


@pytest.mark.shows_secrets("that is what it is about")
@pytest.mark.parametrize("how", LEAKING)
def test_a_secret_fails_the_test_that_shows_it(pytester, how):
    result = outcomes(pytester, LEAKING[how])
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Secrets in the output:*", "*<here>*"])


@pytest.mark.parametrize("how", QUIET)
def test_a_secret_may_be_used(pytester, how):
    outcomes(pytester, QUIET[how]).assert_outcomes(passed=1)


@pytest.mark.shows_secrets("that is what it is about")
def test_a_test_can_say_that_it_must(pytester):
    marked = 'import pytest\n@pytest.mark.shows_secrets("so it is")'
    outcomes(pytester, LEAKING["printed"], marked).assert_outcomes(passed=1)
