"""A pytest plugin: a test whose output has a secret fails. It also has the fixture `sync`.

In a ``conftest.py``: ``pytest_plugins = ["signalroom_singer.testing.plugin"]``.

It searches what tests and their programs print and log, what tests read from a process, and what
Meltano, taps and loaders leave behind in a test's ``tmp_path``. Secrets are the secret settings of
taps that `sync` runs, variables of processes whose names say so, passwords in URLs, and what a test
adds by ``leaks.learn([...])``: as they are, and as URLs, JSON and headers write them.

A test that must show a secret says why: ``@pytest.mark.shows_secrets("why")``.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

import pytest

from signalroom_singer.privacy.redaction import secret_values
from signalroom_singer.testing.tap_runner import SyncResult
from signalroom_singer.testing.tap_runner import sync as run_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from signalroom_singer.tap import SignalRoomTap

#: Files that programs write by themselves; settings and key files are written by tests.
LEFT_BEHIND = ("*.log", "*.jsonl", "*.html", ".meltano/**/*.db", ".meltano/**/*.json")
#: Files by which Meltano hands settings to a plugin, and its copies of meltano.yml, which may have
#: the keys of a mock server.
SETTINGS_OF_MELTANO = ("run/*/*.config.json", "manifests/*.sandbox.json")
_SECRET_NAME = re.compile(r"(KEY|SECRET|PASSWORD|TOKEN|PASSPHRASE)$")
# Shorter ones are words that may be anywhere, as `postgres` is.
_SHORTEST = 10
_PART = 8
_MARKER = "shows_secrets"
_CONTEXT_BEFORE, _CONTEXT_AFTER = 80, 40


class LeakDetector:
    """Knows secrets, and where one appeared since the last test."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.leaks: list[str] = []

    def learn(self, values: Iterable[str]) -> None:
        """Add values that are secret.

        Args:
            values: The secrets; those of less than ten characters are passed over.
        """
        self.secrets.update(value for value in values if len(value) >= _SHORTEST)

    def search(self, text: str | bytes | None, where: object) -> None:
        """Note each secret in a text.

        Args:
            text: Some output, or the content of a file.
            where: What has the text, for the message.
        """
        if not text:
            return
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        groups = _forms_by_part(frozenset(self.secrets))
        forms = [form for part, forms in groups if part in text for form in forms if form in text]
        for form in sorted(forms):
            at, end = text.index(form), text.index(form) + len(form)
            before, after = text[max(0, at - _CONTEXT_BEFORE) : at], text[end:][:_CONTEXT_AFTER]
            self.leaks.append(f"{where}: {form[:4]}... in {f'{before}<here>{after}'!r}")

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self, session: pytest.Session) -> Generator[None, Any, Any]:
        """Watch the variables and the output of processes, and what tests read of their output."""
        detector = self
        popen: Any = subprocess.Popen
        capture: Any = pytest.CaptureFixture
        popen_init, popen_communicate = popen.__init__, popen.communicate
        capture_readouterr = capture.readouterr

        def init(
            process: Any, *args: Any, env: Mapping[str, str] | None = None, **options: Any
        ) -> None:
            detector.learn(_secrets_of_environment(env or {}))
            popen_init(process, *args, env=env, **options)

        def communicate(process: Any, *args: Any, **options: Any) -> Any:
            output = popen_communicate(process, *args, **options)
            for text in output:
                detector.search(text, f"output of {_program(process.args)}")
            return output

        def readouterr(fixture: Any) -> Any:
            output = capture_readouterr(fixture)
            for text in output:
                detector.search(text, "captured output")
            return output

        session.config.add_cleanup(lambda: setattr(popen, "__init__", popen_init))
        session.config.add_cleanup(lambda: setattr(popen, "communicate", popen_communicate))
        session.config.add_cleanup(lambda: setattr(capture, "readouterr", capture_readouterr))
        popen.__init__, popen.communicate, capture.readouterr = init, communicate, readouterr
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail the phase of a test in which a secret appeared."""
        report = yield
        for title, text in report.sections:
            if title.endswith(call.when):
                self.search(text, title)
        if call.when == "call" and "tmp_path" in getattr(item, "funcargs", {}):
            self._search_files(item.funcargs["tmp_path"])  # type: ignore[attr-defined]
        leaks, self.leaks = self.leaks, []
        if leaks and report.passed and not item.get_closest_marker(_MARKER):
            report.outcome = "failed"
            report.longrepr = "Secrets in the output:\n" + "\n".join(dict.fromkeys(leaks))
        return report

    def _search_files(self, folder: Path) -> None:
        for pattern in LEFT_BEHIND:
            for path in folder.rglob(pattern):
                if path.is_file() and not any(map(path.match, SETTINGS_OF_MELTANO)):
                    self.search(path.read_bytes(), path.relative_to(folder))


_DETECTOR = pytest.StashKey[LeakDetector]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the detector, and the marker of tests that must show a secret."""
    config.addinivalue_line("markers", f"{_MARKER}(why): its output has secrets, on purpose")
    config.stash[_DETECTOR] = LeakDetector()
    config.pluginmanager.register(config.stash[_DETECTOR])


def leak_detector(config: pytest.Config) -> LeakDetector:
    """The detector of a run, for plugins that know more secrets.

    Args:
        config: The configuration of the pytest run.
    """
    return config.stash[_DETECTOR]


@pytest.fixture
def leaks(pytestconfig: pytest.Config) -> LeakDetector:
    """The detector of this run: ``leaks.learn([...])`` adds secrets."""
    return leak_detector(pytestconfig)


@pytest.fixture
def sync(leaks: LeakDetector) -> Callable[..., SyncResult]:
    """`signalroom_singer.testing.sync`, whose output is searched for the tap's secret settings."""

    def run(tap: SignalRoomTap, *streams: str, **options: Any) -> SyncResult:
        leaks.learn(secret_values(type(tap).config_jsonschema, dict(tap.config)))
        result = run_sync(tap, *streams, **options)
        leaks.search(result.text, "messages of the tap")
        return result

    return run


def _secrets_of_environment(env: Mapping[str, str]) -> Iterator[str]:
    for name, value in env.items():
        if _SECRET_NAME.search(str(name)):
            yield str(value)
        elif "://" in str(value):
            password = urlsplit(str(value)).password if "[" not in str(value) else None
            yield unquote(password or "")


@cache
def _forms_by_part(secrets: frozenset[str]) -> list[tuple[str, list[str]]]:
    """Group all forms of secrets by a part of theirs: a text without it has none of the group.

    To search for one part after the other is faster than a pattern of all of them.
    """
    left = {form for secret in secrets for form in _forms(secret)}
    groups = []
    while left:
        counts = Counter(part for form in left for part in _parts(form))
        part = max(counts, key=lambda part: (counts[part], part))
        groups.append((part, sorted(form for form in left if part in form)))
        left.difference_update(groups[-1][1])
    return groups


def _parts(form: str) -> set[str]:
    return {form[at : at + _PART] for at in range(max(1, len(form) - _PART + 1))}


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield json.dumps(secret)[1:-1]
    # In a header: what precedes it shifts the groups of three.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret.encode()).decode()
        yield encoded[4 if shift else 0 : -4]


def _program(args: object) -> str:
    parts = args if isinstance(args, list | tuple) else [args]
    return " ".join(str(part) for part in parts)[-80:]
