"""No output of any test may have a secret: a pytest plugin that fails the test that has one.

Looked at is what tests and their programs print and log, what is read from a process, and what
Meltano, taps and loader leave behind in the test's folder. Secret are the sandbox's credentials,
what a process is given in a variable that is named like one, the passwords of URLs, and a tap's
settings that are declared so; as they are, and as they stand in URLs, JSON and headers.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from functools import cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

import pytest

from signalroom_sandbox import everflow, gsheets, mautic, posthog, sticky_s3
from signalroom_sandbox.posthog import access
from signalroom_sandbox.redtrack import api as redtrack
from signalroom_sandbox.redtrack import entities

SANDBOX = frozenset(
    {
        everflow.AFFILIATE_KEY,
        everflow.LIMITED_KEY,
        everflow.NETWORK_KEY,
        *(gsheets.OAUTH[name] for name in ("client_secret", "refresh_token")),
        gsheets.API_KEY,
        mautic.CLIENT_SECRET,
        mautic.PASSWORD,
        posthog.LIMITED_KEY,
        posthog.PERSONAL_KEY,
        posthog.SCOPED_KEY,
        redtrack.API_KEY,
        entities.HIDDEN,
        entities.SECRET,
        access.SECRET,
        sticky_s3.SECRET,
        # How tokens that are made at run time begin, and any private key.
        "sandbox-token-",
        "ya29.sandbox-google-",
        "PRIVATE KEY-----",
    }
)
#: What programs write of their own accord; settings and key files are the tests' own.
LEFT_BEHIND = ("*.log", "*.jsonl", "*.html", ".meltano/**/*.db", ".meltano/**/*.json")
#: Meltano's own ways to hand settings on: what it gives a plugin, which is there until the plugin
#: ends, and what stands in meltano.yml, as the sandbox's keys do.
HANDED_ON = ("run/*/*.config.json", "manifests/*.sandbox.json")
_SECRETLY_NAMED = re.compile(r"(KEY|SECRET|PASSWORD|TOKEN|PASSPHRASE)$")
# Shorter ones are words that stand anywhere, as `postgres` does.
_SHORTEST = 10
_ALLOWED = "shows_secrets"


def pytest_configure(config):
    config.addinivalue_line("markers", f"{_ALLOWED}(why): its output has secrets, on purpose")
    config.pluginmanager.register(Leaks())


class Leaks:
    """Secrets that are known, and where one was seen since the last test."""

    def __init__(self):
        self.secrets = set(SANDBOX)
        self.seen = []

    def learn(self, values):
        """Have more values that are secret."""
        self.secrets.update(value for value in values if len(value) >= _SHORTEST)

    def look(self, text, where):
        """Note each secret that a text has."""
        if not text:
            return
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        for hit in [form for form in _forms_of(frozenset(self.secrets)) if form in text]:
            at = text.index(hit)
            line = text[max(0, at - 80) : at] + "<here>" + text[at + len(hit) :][:40]
            self.seen.append(f"{where}: {hit[:4]}... in {line!r}")

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self, session):
        """Hear what processes are given and what they say, and what tests take for themselves."""
        leaks, popen, capture = self, subprocess.Popen, pytest.CaptureFixture
        started, said, read = popen.__init__, popen.communicate, capture.readouterr

        def start(process, *args, env=None, **options):
            leaks.learn(_of_environment(env or {}))
            started(process, *args, env=env, **options)

        def communicate(process, *args, **options):
            output = said(process, *args, **options)
            for text in output:
                leaks.look(text, f"output of {_program(process.args)}")
            return output

        def readouterr(fixture):
            output = read(fixture)
            for text in output:
                leaks.look(text, "captured output")
            return output

        session.config.add_cleanup(lambda: setattr(popen, "__init__", started))
        session.config.add_cleanup(lambda: setattr(popen, "communicate", said))
        session.config.add_cleanup(lambda: setattr(capture, "readouterr", read))
        popen.__init__, popen.communicate, capture.readouterr = start, communicate, readouterr
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Fail the part of a test in which a secret was seen."""
        report = yield
        for title, text in report.sections:
            if title.endswith(call.when):
                self.look(text, title)
        if call.when == "call" and "tmp_path" in getattr(item, "funcargs", {}):
            self._look_at_files(item.funcargs["tmp_path"])
        seen, self.seen = self.seen, []
        if seen and report.passed and not item.get_closest_marker(_ALLOWED):
            report.outcome = "failed"
            report.longrepr = "Secrets in the output:\n" + "\n".join(dict.fromkeys(seen))
        return report

    def _look_at_files(self, folder):
        for pattern in LEFT_BEHIND:
            for path in folder.rglob(pattern):
                if path.is_file() and not any(path.match(one) for one in HANDED_ON):
                    self.look(path.read_bytes(), path.relative_to(folder))


@pytest.fixture
def leaks(pytestconfig):
    """What knows the secrets of this run."""
    (plugin,) = [one for one in pytestconfig.pluginmanager.get_plugins() if type(one) is Leaks]
    return plugin


def _of_environment(env):
    for name, value in env.items():
        if _SECRETLY_NAMED.search(str(name)):
            yield str(value)
        elif "://" in str(value):
            password = urlsplit(str(value)).password if "[" not in str(value) else None
            yield unquote(password or "")


@cache
def _forms_of(secrets):
    # One after the other, which is faster than a pattern of all of them.
    return sorted({form for secret in secrets for form in _forms(secret)})


def _forms(secret):
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield json.dumps(secret)[1:-1]
    # As a header has it: what stands before it shifts the groups of three.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret.encode()).decode()
        yield encoded[4 if shift else 0 : -4]


def _program(args):
    parts = args if isinstance(args, list | tuple) else [args]
    return " ".join(str(part) for part in parts)[-80:]
