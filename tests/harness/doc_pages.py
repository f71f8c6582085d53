"""The pages of the documentation, and what is on them."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import yaml
from markdown_it import MarkdownIt

from tools import docs_site

ROOT = Path(__file__).parents[2]
#: Folders that git ignores; those whose names begin with a dot are, but for GitHub's.
_IGNORED = {"__pycache__", "build", "dist", "node_modules"}


def _find_pages(folder):
    """The Markdown files of the repository; without git, as tests are collected by them."""
    for path in folder.iterdir():
        is_hidden = path.name.startswith(".") and path.name != ".github"
        if path.is_dir() and not is_hidden and path.name not in _IGNORED:
            yield from _find_pages(path)
        elif path.suffix == ".md":
            yield path


SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
INCLUDED = SITE["extra"]["included"]
docs_site.add_taps(SITE["nav"], INCLUDED)
ALL = sorted(_find_pages(ROOT))
#: Those whose every name is checked; the packages' READMEs also quote their vendors.
DOCS = [path for path in ALL if path.parent == ROOT or path.is_relative_to(ROOT / "docs")]
VENDORS = sorted((ROOT / "docs/vendors").glob("*.md"))


def named(path):
    return str(path.relative_to(ROOT))


@cache
def tokens(path):
    return MarkdownIt("commonmark").enable("table").parse(path.read_text())


@cache
def inline(path):
    return [child for token in tokens(path) for child in token.children or ()]


@cache
def fences(path):
    return [(token.info, token.content) for token in tokens(path) if token.type == "fence"]


@cache
def code(path):
    spans = [child.content for child in inline(path) if child.type == "code_inline"]
    return [*spans, *(text for _, text in fences(path))]


@cache
def anchors(path):
    """What GitHub and the site make of the headings."""
    found = []
    parsed = tokens(path)
    for opening, heading in pairwise(parsed):
        if opening.type == "heading_open":
            text = "".join(
                child.content for child in heading.children if child.type in {"text", "code_inline"}
            )
            kept = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.append(kept if kept not in found else f"{kept}-{found.count(kept)}")
    return found


def links(path):
    for child in inline(path):
        target = child.attrs.get("href") if child.type == "link_open" else child.attrs.get("src")
        if target and not re.match(r"[a-z]+:", target):
            yield unquote(target)


@cache
def text_of(*patterns):
    paths = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    return "\n".join(path.read_text() for path in paths if ".venv" not in path.parts)


@cache
def words_of(*patterns):
    return {*re.findall(r"\w+", text_of(*patterns))}
