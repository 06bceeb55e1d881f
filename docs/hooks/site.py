"""MkDocs hook: what the pages of the site take from the code.

A page holds a mark such as ``<!-- generated: settings train -->``, which is replaced while the site is built. Links to files
of the repository that the site does not have become text. A public name without a docstring is a warning, which
``mkdocs build --strict`` turns into an error.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from docstrings import undocumented
from errors import errors_page
from presets import presets_page
from settings import corpus_options, model_options, settings_tables

REPOSITORY = Path(__file__).resolve().parents[2]
MARK = re.compile(r"^<!-- generated: (\w+) ?(\S*) -->$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]\[]*(?:\[[^\]]*\][^\]\[]*)*)\]\((?!https?:|mailto:|#)([^)#\s]*)(#[^)\s]*)?\)")
# Files at the top of the repository that have a page.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
}
GENERATORS = {
    "settings": settings_tables,
    "models": lambda _: model_options(),
    "corpora": lambda _: corpus_options(),
    "presets": lambda _: presets_page(REPOSITORY / "conf"),
    "errors": lambda _: errors_page(REPOSITORY / "src/hrf_ser"),
}

_log = logging.getLogger("mkdocs.hooks.site")
_documented: set[str] = set()


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill the marks of a page and lead its links to pages of the site."""
    source = f"docs/{page.file.src_uri}"

    def fill(mark: re.Match[str]) -> str:
        kind, argument = mark.groups()
        if kind == "file":
            return lead_links((REPOSITORY / argument).read_text(encoding="utf-8"), argument, source)
        return GENERATORS[kind](argument)

    filled = MARK.sub(fill, lead_links(markdown, source, source))
    _documented.update(re.findall(r"^::: (\S+)$", filled, re.MULTILINE))
    return filled


def on_env(env: Any, **_: Any) -> Any:
    """Warn of public names without a docstring, once all pages are known."""
    for name in undocumented(sorted(_documented), REPOSITORY / "src"):
        _log.warning("%s has no docstring.", name)
    return env


def lead_links(text: str, source: str, page: str) -> str:
    """Rewrite relative links of a file of the repository for the page that shows it.

    Args:
        text: Markdown.
        source: the file that holds it, from the repository's root.
        page: the page's file, from the repository's root.
    """

    def lead(link: re.Match[str]) -> str:
        label, path, anchor = link.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        target = f"docs/{PAGES[target]}" if target in PAGES else target
        if not target.startswith("docs/"):
            return label
        return f"[{label}]({posixpath.relpath(target, posixpath.dirname(page))}{anchor or ''})"

    return LINK.sub(lead, text)
