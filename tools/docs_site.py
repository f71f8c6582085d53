"""The MkDocs hook of the documentation site, named in ``mkdocs.yml``.

Files outside ``docs``, such as the taps' READMEs, are pages too. Links between files of the
repository work in a checkout and on GitHub; the hook rewrites them so that they work on the site.
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
#: The colors of a diagram that is opened alone. On the site they are in site.css.
_COLORS = re.compile(r"<style>\n\.joins \{.*?</style>\n", re.DOTALL)
_CELL = re.compile(r"(<td[^>]*>)(.*?)(?=</td>)", re.DOTALL)
_NAME_IN_CODE = re.compile(r"<code>\w+</code>")
#: Pictures of the README that are loaded from elsewhere; GitHub alone shows them.
_BADGES = re.compile(r"^<!-- badges -->\n.*?<!-- end of badges -->\n", re.MULTILINE | re.DOTALL)
#: Elements that a browser would load from another site; ordinary links do not match.
_EXTERNAL_RESOURCE = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'\s>]+"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|icon))"
    r"[^>]*\bhref=[\"']?(?:https?:)?//[^\"'\s>]+",
    re.IGNORECASE,
)


def on_config(config: MkDocsConfig) -> None:
    """Add the taps' pages to the navigation.

    Args:
        config: The site's configuration, changed in place.
    """
    add_taps(config.nav or [], config.extra["included"])


def add_taps(nav: list[dict[str, Any]], included: dict[str, str]) -> None:
    """Put the READMEs of all taps at the head of the reference, and list the pages of tables.

    Args:
        nav: The navigation of ``mkdocs.yml``, changed in place.
        included: The file of the repository for each page, changed in place.
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
    """Add the pages whose files are outside ``docs``.

    Args:
        files: The files of ``docs``, to which the pages are added.
        config: The site's configuration, with the pages under ``extra.included``.
    """
    # Imported here because tests use this module without MkDocs.
    from mkdocs.structure.files import File  # noqa: PLC0415

    for page, source in config.extra["included"].items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Adapt the links, diagrams and badges of a file of the repository to the site.

    Args:
        markdown: The text of one page.
        page: The page as MkDocs knows it.
        config: The site's configuration, whose ``extra`` names pages and repository.
    """
    text = rewrite_links(_BADGES.sub("", markdown), page.file.src_uri, config.extra)
    return inline_diagrams(text)


def on_page_content(html: str, **_: Any) -> str:
    """Let long names in table cells break after their underscores, and nowhere else.

    Args:
        html: The HTML of one page.
    """
    return _CELL.sub(lambda cell: cell[1] + _NAME_IN_CODE.sub(_breakable, cell[2]), html)


def _breakable(code: re.Match[str]) -> str:
    return code.group().replace("_", "_<wbr>")


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Reject a page that would load a resource from another site.

    Args:
        output: The HTML of the page.
        page: The page, to be named in the error.

    Raises:
        PluginError: If it would load such a resource.
    """
    from mkdocs.exceptions import PluginError  # noqa: PLC0415

    if resources := _EXTERNAL_RESOURCE.findall(output):
        msg = (
            f"{page.file.src_uri} loads {', '.join(resources)}. The site must not load anything "
            "from another site: put the file into docs/."
        )
        raise PluginError(msg)
    return output


def inline_diagrams(markdown: str) -> str:
    """Inline diagrams into the page: they get its colors, and their text can be selected.

    Args:
        markdown: The page's text.

    Returns:
        The text, with an element in place of each picture of ``docs/images/tables``.
    """

    def inline(picture: re.Match[str]) -> str:
        path = ROOT / "docs/images/tables" / posixpath.basename(picture[2])
        drawing = _COLORS.sub("", path.read_text())
        width = drawing.partition(' width="')[2].partition('"')[0]
        style = f"--width: {width}px"
        return f'<div class="diagram" style="{style}" tabindex="0">\n{drawing}</div>\n'

    return _DIAGRAM.sub(inline, markdown)


def rewrite_links(markdown: str, page: str, extra: Mapping[str, Any]) -> str:
    """Rewrite the links of a page to files of the repository.

    Args:
        markdown: The page's text.
        page: Its path on the site, below ``docs``.
        extra: ``included`` (the file of each page) and ``repository`` (the URL of all other files).

    Returns:
        The text, with fenced blocks unchanged.
    """
    pages = {source: path for path, source in extra["included"].items()}
    # READMEs that PyPI shows too link to files of the repository by full URLs.
    full_link = re.compile(rf"\]\({re.escape(extra['repository'])}/blob/main/(docs/[^)\s#]+\.md)")
    up = "../" * extra["included"].get(page, f"docs/{page}").count("/")
    markdown = full_link.sub(lambda link: f"]({up}{link[1]}", markdown)
    source = extra["included"].get(page, f"docs/{page}")

    def rewrite(link: re.Match[str]) -> str:
        opening, target, anchor = link.groups(default="")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if (ROOT / path).is_dir() and (ROOT / path / "README.md").is_file():
            path += "/README.md"
        if path in pages:
            target_page = pages[path]
        elif path.startswith("docs/"):
            target_page = path.removeprefix("docs/")
        elif (ROOT / path).exists():
            return f"{opening}{extra['repository']}/blob/main/{path}{anchor}"
        else:
            return link.group()
        return f"{opening}{posixpath.relpath(target_page, posixpath.dirname(page) or '.')}{anchor}"

    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(rewrite, markdown[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*parts, _LINK.sub(rewrite, markdown[end:])])
