"""What the pages of the vendors tell to do, and what they say that errors say."""

from __future__ import annotations

import ast
import json
import re
from functools import cache

import pytest
from harness.doc_pages import ROOT, VENDORS, anchors, code, fences, named, words_of

from tools.generate.settings import taps


def test_the_policy_for_s3_reads_the_default_folders_and_nothing_else():
    page = ROOT / "docs/vendors/sticky-s3.md"
    policy = json.loads(next(text for language, text in fences(page) if language == "json"))
    default = (
        taps()["tap-sticky-s3"].config_jsonschema["properties"]["prefixes"]["default"].split(",")
    )
    listing, reading = policy["Statement"]
    bucket = listing["Resource"]
    assert (listing["Action"], reading["Action"]) == ("s3:ListBucket", "s3:GetObject")
    assert listing["Condition"]["StringLike"]["s3:prefix"] == [f"{name}/*" for name in default]
    assert reading["Resource"] == [f"{bucket}/{name}/*" for name in default]


def test_the_scopes_for_posthog_are_those_of_the_default_streams():
    readme = (ROOT / "taps/tap-posthog/README.md").read_text()
    wanted = {}
    for row in re.findall(r"^\| (.+) \|$", readme, re.MULTILINE):
        cells = [re.findall(r"`([^`]+)`", cell) for cell in row.split(" | ")]
        if row.endswith("| on"):
            streams, scopes = cells[0], cells[3]
            wanted |= dict(zip(streams, scopes, strict=True))
    page = (ROOT / "docs/vendors/posthog.md").read_text()
    rows = re.findall(r"^\| `(\w+:read)` \| `(\w+)` \|$", page, re.MULTILINE)
    assert {stream: scope for scope, stream in rows} == wanted


def sources(path):
    tap = f"taps/tap-{path.stem}/tap_{path.stem.replace('-', '_')}"
    return f"{tap}/**/*.py", "libs/signalroom-singer/signalroom_singer/**/*.py"


@pytest.mark.parametrize("path", VENDORS, ids=named)
def test_settings_and_streams_of_a_vendors_page_exist(path):
    known = words_of(*sources(path)) | {"client_email"}  # Google's word
    for text in code(path):
        if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", text):
            assert text in known, f"{text} is no setting, stream or column of the tap"


@cache
def said(*patterns):
    """All texts of a program; what it fills in is left open."""
    found = []
    for path in (path for pattern in patterns for path in ROOT.glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", None) for part in node.values]
                found.append("".join(part if isinstance(part, str) else "\0" for part in parts))
    return "\n".join(found)


def unsaid(piece, texts):
    """What is left of a text after all that a program says, one saying after the other."""
    short = 0
    while piece := piece.strip(" .:()'"):
        length = max(size for size in range(len(piece) + 1) if piece[:size] in texts)
        # Words that happen to be somewhere are no saying; one may be filled in, such as `phc_`.
        short += length < _SAYING
        if length < len(piece) and (length < _FILLED_IN or short > 1):
            return piece
        piece = piece[length:]
    return ""


_SAYING, _FILLED_IN = 12, 4


def errors(path):
    """The first column of the table that says what errors mean."""
    _, _, rest = path.read_text().partition("\n## When it is refused\n")
    section = rest.partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize("path", VENDORS, ids=named)
def test_errors_of_a_vendors_page_are_what_is_said(path):
    """By the tap, or by the vendor as the sandbox has it; ``...`` stands for anything."""
    vendor = path.stem.replace("-", "_")
    texts = said(*sources(path), f"sandbox/signalroom_sandbox/{vendor}/*.py")
    quoted = errors(path)
    assert len(quoted) > 4
    for message in quoted:
        # The status and its name are HTTP's.
        for piece in re.split(r"\.\.\.|(?<=answered )\d{3}(?: [A-Z][a-z]+)*:?", message):
            assert unsaid(piece, texts) == "", f"nobody says: {message}"


def test_an_error_that_nobody_says_is_noticed():
    texts = "Check the setting \0: it may be mistyped\nphc_\napi_key"
    assert unsaid("Check the setting api_key: it may be mistyped.", texts) == ""
    assert unsaid("Check the setting api_key: it may be stolen", texts) == "it may be stolen"
    assert unsaid("Check your setting", texts) != ""


@pytest.mark.parametrize("path", VENDORS, ids=named)
def test_a_vendors_page_has_all_its_parts(path):
    headings = " ".join(anchors(path))
    for part in ("put-it-into-env", "check-it", "when-it-is-refused"):
        assert part in headings
    name = f"tap-{path.stem}"
    assert f"uv run meltano invoke {name} --test\n" in code(path)
    assert f"uv run meltano run {name} target-postgres\n" in code(path)
