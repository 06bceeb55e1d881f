"""The list of error messages, read from the source."""

from __future__ import annotations

import ast
import html
from collections.abc import Iterator
from pathlib import Path

# Packages and modules of hrf_ser, in the order of their work.
SECTIONS = {
    "Settings": ("config", "entry.py", "renamed.py", "identity.py", "files.py"),
    "Corpora and protocols": ("data", "prepare.py"),
    "Audio": ("audio", "media"),
    "Models and the method": ("models", "hrf"),
    "Training and resuming": ("training", "train.py"),
    "Sweeps": ("sweeps",),
    "Reports": ("evaluation", "report.py", "workspace.py"),
    "Bundles, export and the benchmark": ("deploy/bundle", "deploy/export", "export.py", "benchmark.py"),
    "Prediction and the runtime": ("deploy/runtime", "predict.py"),
    "Browser demo": ("deploy/demo", "demo.py"),
}
# Packages whose ValueErrors are for users as well.
VALUE_ERRORS = ("config", "hrf", "models")


def errors_page(source: Path) -> str:
    """Every message that has a text of its own, by the part of the package that raises it."""
    parts = []
    for title, places in SECTIONS.items():
        paths = [path for place in places for path in _files(source / place)]
        messages = sorted({message for path in paths for message in messages_of(path)}, key=str.lower)
        if messages:
            rows = "\n".join(f"<li>{_marked(message)}</li>" for message in messages)
            parts.append(f'## {title}\n\n<ul class="errors">\n{rows}\n</ul>')
    return "\n\n".join(parts)


def messages_of(path: Path) -> Iterator[str]:
    """Texts of the errors that a file raises; what is only known at run time stands in ``{}``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args and _raises(node.func, path):
            text = _text(node.args[0])
            if len(text.split()) > 4:
                yield text


def _raises(function: ast.expr, path: Path) -> bool:
    """Whether a call makes an error that a user can cause: a UserError, directly or through a corpus's layout, or the
    ValueError of a validator, or of a function that takes any torch model."""
    if isinstance(function, ast.Attribute):
        return ast.unparse(function) == "LAYOUT.error"
    name = function.id if isinstance(function, ast.Name) else ""
    return name == "UserError" or (name == "ValueError" and path.parent.name in VALUE_ERRORS)


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) for value in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.FormattedValue):
        return f"{{{_name(node.value)}}}"
    return f"{{{_name(node)}}}"


def _name(node: ast.expr) -> str:
    """A word for a value in a message: the last name in its expression."""
    if isinstance(node, ast.Name):
        return node.id.strip("_").lower()
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return (
            node.slice.value
            if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
            else _name(node.value)
        )
    if isinstance(node, ast.Call):
        return _name(node.args[0]) if node.args else _name(node.func)
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)]
    return _name(names[0]) if names else "value"


def _files(place: Path) -> list[Path]:
    return [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))


def _marked(message: str) -> str:
    text = html.escape(" ".join(message.split()), quote=False)
    return text.replace("{", "<var>").replace("}", "</var>")
