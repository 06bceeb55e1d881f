"""A report as one HTML file: its data, our scripts and the vendored libraries, inlined.

Nothing is built beforehand and nothing is fetched when the page opens. The scripts are plain files, one subject each,
which share the scope of one function.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from string import Template
from typing import Any

_HERE = Path(__file__).parent
# Plot finds D3 as a global, so D3 comes first.
VENDORED = ("d3.min.js", "plot.umd.min.js")
# page.js draws with all the others, so it comes last.
SCRIPTS = (
    "dom.js", "format.js", "groups.js", "save.js", "figure.js", "headline.js", "pareto.js", "forest.js", "rank.js",
    "recall.js", "confusion.js", "curves.js", "table.js", "runs.js", "page.js",
)  # fmt: skip
# Later rules win, so what is for narrow windows and paper comes last.
STYLES = (
    "theme.css", "headline.css", "pictures.css", "controls.css", "tables.css", "confusion.css", "narrow_and_print.css",
)  # fmt: skip


def render(report: dict[str, Any]) -> str:
    """The page of ``report`` as HTML.

    Names in the report (labels, folders, reasons, commands) may hold anything: they reach the page as JSON or escaped text.
    """
    scripts = [_inlined(_read("vendor", name)) for name in VENDORED] + [_inlined(_own_script())]
    return Template(_read("page.html")).substitute(
        policy=_policy(scripts),
        title=html.escape(report["title"]),
        answer=_answer(report["answer"]),
        style="\n".join(_read("style", name) for name in STYLES),
        report=_data(report),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _answer(text: str) -> str:
    """The first sentence large, as it must be grasped at once; the others below it. No line breaks within ``p = 0.031``."""
    text = re.sub(r"\bp ([=<]) (?=\d)", "p\u00a0\\1\u00a0", text)
    first, *rest = re.split(r"(?<=[.!?]) (?=[A-Z])", text, maxsplit=1)
    return html.escape(first) + "".join(f' <span class="more">{html.escape(part)}</span>' for part in rest)


def _policy(scripts: list[str]) -> str:
    """What the page may do: run exactly these scripts, style itself, and load nothing from anywhere.

    Styles are not hashed: Plot writes a ``<style>`` into every picture it draws. They cannot reach out, because every source of
    images, fonts and connections stays closed.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _own_script() -> str:
    """Our scripts in one function, so that they meet each other and leave no name behind."""
    parts = "\n".join(_read("script", name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _inlined(script: str) -> str:
    """A script that HTML cannot end early or swallow; in strings and patterns of JavaScript the backslash changes nothing."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _data(report: dict[str, Any]) -> str:
    """JSON without ``<``, so that nothing in it can end its element or open another; more than six digits are never shown."""
    short = json.loads(json.dumps(report), parse_float=lambda text: float(f"{float(text):.6g}"))
    text = json.dumps(short, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(*parts: str) -> str:
    return _HERE.joinpath(*parts).read_text(encoding="utf-8")
