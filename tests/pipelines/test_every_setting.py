"""Every setting, by Meltano: what is wrong is said with the variable, and doing that helps.

The settings are those that the plugins declare, so a new one is tested with the others.
"""

from __future__ import annotations

import json
import re

import pytest
from harness.pipelines import ROOT

from signalroom_singer.settings.text_values import types_of
from signalroom_singer.settings.variables import VARIABLES
from signalroom_target_postgres.target import TargetPostgres
from tools.generate.settings import schema_of, taps

pytestmark = pytest.mark.e2e

PLUGINS = taps() | {"target-postgres": TargetPostgres}
#: What a tap or the loader says, and not Meltano.
_SENTENCE = re.compile(r"^\S+ \[(?:error|warning) *\] (?:tap|target)-\S+ +(.*)$", re.MULTILINE)
_OF_SETTINGS = ("Invalid", "Missing", "Unknown")
_INVALID = re.compile(r"Invalid (\S+) \((?P<variable>\w+)\)(?: '.*')?: (?P<expected>.+)\.")
_MISSING = re.compile(r"Missing required setting \w+.* Set (?P<variable>\w+) in \.env\b.*")
#: What meets an expectation, where the setting has no default.
_MEETING = {
    r"expected a (?:whole )?number from [\d.]+ to ([\d.]+)": r"\1",
    # Not the least: one request a minute would take its time.
    r"expected a (?:whole )?number.*": "1000",
    r"expected true or false": "false",
    r"expected a JSON list, such as (.*)": r"\1",
    r"expected a JSON list": "[]",
    r"expected one of ([^,]+).*": r"\1",
    r"expected YYYY-MM-DD": "2026-01-31",
}
_MOST_RUNS = 8
#: A small stream of each tap.
STREAMS = {
    "tap-everflow": "timezones",
    "tap-gsheets": "gsheets_sheets",
    "tap-mautic": "tags",
    "tap-posthog": "annotations",
    "tap-redtrack": "networks",
    "tap-sticky-s3": "*",
}


class Plugin:
    """A plugin's settings, and the variables that messages name."""

    def __init__(self, name):
        self.name = name
        self.schema = schema_of(PLUGINS[name])
        self.settings = self.schema["properties"]
        self._own = f"{name}_".upper().replace("-", "_")
        self.variables = {key: self._variable(key) for key in self.settings}

    def _variable(self, key):
        listed = self.settings[key].get(VARIABLES)
        return listed[0] if listed else self._own + key.upper()

    def of_the_sandbox(self, variables):
        """What the sandbox is reached by, under the names that messages have."""
        return {
            self.variables[key]: variables[self._own + key.upper()]
            for key in self.settings
            if self._own + key.upper() in variables
        }

    def wrong(self):
        """A text of each setting that cannot be used."""
        found = {}
        for key, declared in self.settings.items():
            types = types_of(declared)
            if declared.get("format") in {"date", "date-time"}:
                found[self.variables[key]] = "01/02/2026"
            elif declared.get("enum") or not {"string", "object"} & {*types}:
                found[self.variables[key]] = "[no such value"
        return found

    def corrected(self, sentence, sandbox):
        """The variable that a sentence is about, and the value that it asks for."""
        if missing := _MISSING.fullmatch(sentence):
            return missing["variable"], sandbox[missing["variable"]]
        invalid = _INVALID.fullmatch(sentence)
        if invalid is None:
            return None
        if invalid["variable"] in sandbox:
            return invalid["variable"], sandbox[invalid["variable"]]
        (key,) = (key for key, one in self.variables.items() if one == invalid["variable"])
        if "default" in self.settings[key]:
            return invalid["variable"], as_text(self.settings[key]["default"])
        values = (re.sub(f"^{one}$", by, invalid["expected"]) for one, by in _MEETING.items())
        return invalid["variable"], next(one for one in values if one != invalid["expected"])


def as_text(value):
    return value if isinstance(value, str) else json.dumps(value)


@pytest.fixture
def load(project, sandbox):
    """Load a stream with an .env; gives whether that went well, and what was said."""
    env = {name: value for name, value in project.env.items() if name not in sandbox.dotenv}

    def run(plugin, lines):
        tap = plugin.name if plugin.name in STREAMS else "tap-gsheets"
        select = f"{tap}__SELECT".upper().replace("-", "_")
        if tap != plugin.name:
            lines = Plugin(tap).of_the_sandbox(sandbox.dotenv) | lines
        lines = {select: f'["{STREAMS[tap]}.*"]'} | lines
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        (project.folder / ".env").write_text(text)
        project.env = env
        with project.start("run", tap, "target-postgres") as process:
            output, _ = process.communicate()
        assert "Traceback" not in output, output
        said = [text for text in _SENTENCE.findall(output) if text.startswith(_OF_SETTINGS)]
        return process.returncode == 0, said, output

    return run


@pytest.mark.parametrize("name", PLUGINS)
def test_doing_what_the_messages_say_is_all_it_takes(load, sandbox, name):
    plugin = Plugin(name)
    values = plugin.of_the_sandbox(sandbox.dotenv)
    required = {plugin.variables[key] for key in plugin.schema.get("required", ())}
    wrong = plugin.wrong()
    lines = {name: value for name, value in values.items() if name not in required} | wrong
    named = set()
    for _ in range(_MOST_RUNS):
        works, sentences, output = load(plugin, lines)
        if works:
            break
        corrections = dict(filter(None, (plugin.corrected(one, values) for one in sentences)))
        assert corrections, output
        assert all(lines.get(name) != value for name, value in corrections.items()), output
        named |= corrections.keys()
        lines |= corrections
    assert works, output
    assert named == wrong.keys() | required
    assert sentences == []


@pytest.mark.parametrize("name", STREAMS)
def test_the_defaults_of_the_example_can_be_written_out(load, sandbox, name):
    plugin = Plugin(name)
    example = (ROOT / ".env.example").read_text()
    lines = dict(re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.+)$", example, re.MULTILINE))
    own = {name: value for name, value in lines.items() if name in plugin.variables.values()}
    works, sentences, output = load(plugin, own | plugin.of_the_sandbox(sandbox.dotenv))
    assert works, output
    assert sentences == []
