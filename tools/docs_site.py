"""What the site of the documentation does besides MkDocs: a hook, named in ``mkdocs.yml``.

Files of other folders, such as the taps' READMEs, are pages too. So a link between files of the
repository, which works where the repository is read, works on the site as well.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2`*\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()([^)\s:#]+)(#[^)\s]*)?(?=[)\s])")
_DIAGRAM = re.compile(r"^!\[([^\]]*)\]\(([^)\s]*images/tables/[\w-]+\.svg)\)$", re.MULTILINE)
#: Of a diagram: the colors that it has where it stands alone. On the site they are in site.css.
_COLORS = re.compile(r"<style>\n\.joins \{.*?</style>\n", re.DOTALL)
_CELL = re.compile(r"(<td[^>]*>)(.*?)(?=</td>)", re.DOTALL)
_NAME_IN_CODE = re.compile(r"<code>\w+</code>")
#: Pictures of the README that are loaded from elsewhere; GitHub alone shows them.
_BADGES = re.compile(r"^<!-- badges -->\n.*?<!-- end of badges -->\n", re.MULTILINE | re.DOTALL)
#: What a browser would load from elsewhere; links that a person follows are none of it.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'\s>]+"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|icon))"
    r"[^>]*\bhref=[\"']?(?:https?:)?//[^\"'\s>]+",
    re.IGNORECASE,
)


def on_config(config: MkDocsConfig) -> None:
    """Add the taps to what is shown.

    Args:
        config: The site's; changed in place.
    """
    add_taps(config.nav or [], config.extra["included"])


def add_taps(nav: list[dict[str, Any]], included: dict[str, str]) -> None:
    """Put the READMEs of all taps at the head of the reference, and list the pages of tables.

    Args:
        nav: As in ``mkdocs.yml``; added to.
        included: Which file of the repository a page is; added to.
    """
    names = sorted(readme.parent.name for readme in ROOT.glob("taps/*/README.md"))
    pages = {name: f"reference/{name}.md" for name in names}
    included |= {page: f"taps/{name}/README.md" for name, page in pages.items()}
    reference = next(part["Reference"] for part in nav if "Reference" in part)
    reference[:0] = [{name: page} for name, page in pages.items()]
    tables = next(part["Tables"] for part in nav if "Tables" in part)
    for path in sorted((ROOT / "docs/tables").glob("*.md")):
        if path.stem != "index":
            title = re.search(r"^# (.+): tables$", path.read_text(), re.MULTILINE)
            tables.append({title[1] if title else path.stem: f"tables/{path.name}"})


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are files of other folders.

    Args:
        files: Those of ``docs``; added to.
        config: The site's.
    """
    # Here, as tests use this module without MkDocs.
    from mkdocs.structure.files import File  # noqa: PLC0415

    for page, source in config.extra["included"].items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Make a page of the site of a file of the repository: its links, diagrams and badges.

    Args:
        markdown: Of one page.
        page: The page.
        config: The site's.
    """
    text = site_links(_BADGES.sub("", markdown), page.file.src_uri, config.extra)
    return with_diagrams(text)


def on_page_content(html: str, **_: Any) -> str:
    """Let long names in cells of tables break after their underscores, and nowhere else.

    Args:
        html: Of one page.
    """
    return _CELL.sub(lambda cell: cell[1] + _NAME_IN_CODE.sub(_breakable, cell[2]), html)


def _breakable(code: re.Match[str]) -> str:
    return code.group().replace("_", "_<wbr>")


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Refuse a page that would load something from another site.

    Args:
        output: Its HTML.
        page: The page.
    """
    from mkdocs.exceptions import PluginError  # noqa: PLC0415

    if found := _LOADED.findall(output):
        msg = (
            f"{page.file.src_uri} loads {', '.join(found)}. The site is to ask nobody but itself: "
            "put the file into docs/."
        )
        raise PluginError(msg)
    return output


def with_diagrams(markdown: str) -> str:
    """Put diagrams into the page, so that they have its colors and their text can be selected.

    Args:
        markdown: The page's text.

    Returns:
        The text, with an element in place of each picture of ``docs/images/tables``.
    """

    def inlined(picture: re.Match[str]) -> str:
        path = ROOT / "docs/images/tables" / posixpath.basename(picture[2])
        drawing = _COLORS.sub("", path.read_text())
        width = drawing.partition(' width="')[2].partition('"')[0]
        style = f"--width: {width}px"
        return f'<div class="diagram" style="{style}" tabindex="0">\n{drawing}</div>\n'

    return _DIAGRAM.sub(inlined, markdown)


def site_links(markdown: str, page: str, extra: Mapping[str, Any]) -> str:
    """Rewrite the links of a page to files of the repository.

    Args:
        markdown: The page's text.
        page: Its path on the site, below ``docs``.
        extra: ``included`` (which files are pages) and ``repository`` (where all others are).

    Returns:
        The text; fenced blocks stay as they are.
    """
    pages = {source: path for path, source in extra["included"].items()}
    # READMEs that PyPI shows too name files of the repository by their whole addresses.
    whole = re.compile(rf"\]\({re.escape(extra['repository'])}/blob/main/(docs/[^)\s#]+\.md)")
    up = "../" * extra["included"].get(page, f"docs/{page}").count("/")
    markdown = whole.sub(lambda link: f"]({up}{link[1]}", markdown)
    source = extra["included"].get(page, f"docs/{page}")

    def moved(link: re.Match[str]) -> str:
        opening, target, anchor = link.groups(default="")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if (ROOT / path).is_dir() and (ROOT / path / "README.md").is_file():
            path += "/README.md"
        if path in pages:
            found = pages[path]
        elif path.startswith("docs/"):
            found = path.removeprefix("docs/")
        elif (ROOT / path).exists():
            return f"{opening}{extra['repository']}/blob/main/{path}{anchor}"
        else:
            return link.group()
        return f"{opening}{posixpath.relpath(found, posixpath.dirname(page) or '.')}{anchor}"

    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(moved, markdown[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*parts, _LINK.sub(moved, markdown[end:])])
