"""The documentation: links between files, and the settings that the site lists. `make docs` checks the rest."""

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from helpers import REPOSITORY
from hrf_ser.config.describe import is_group, settings_of
from hrf_ser.config.schema import SCHEMAS

DOCS = REPOSITORY / "docs"
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
# A page or file of docs/ that source, configuration or tests name.
NAMED = re.compile(r"\bdocs/[\w/.-]+\.\w+")
SOURCES = ("*.py", "*.yaml", "*.toml", "*.md", "*.ipynb", "*.cpp", "Makefile")


def hook(name: str) -> ModuleType:
    """A module of docs/hooks, which are no package."""
    spec = importlib.util.spec_from_file_location(f"docs_hook_{name}", DOCS / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_relative_links_lead_to_files(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


def test_named_files_of_the_documentation_exist():
    done = subprocess.run(["git", "ls-files", *SOURCES], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git repository")
    named = {
        (path, name)
        for path in done.stdout.split()
        if (REPOSITORY / path).is_file() and path != str(Path(__file__).relative_to(REPOSITORY))
        for name in NAMED.findall((REPOSITORY / path).read_text(errors="replace"))
    }
    assert named
    assert [(path, name) for path, name in sorted(named) if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("verb", SCHEMAS)
def test_every_setting_is_listed_with_its_meaning(verb):
    assert f"<!-- generated: settings {verb} -->" in (DOCS / f"reference/settings/{verb}.md").read_text()
    listed = hook("settings").settings_tables(verb)
    settings = {key: node for key, node in settings_of(SCHEMAS[verb]).items() if not key.startswith("test_data")}
    for key, node in settings.items():
        assert f"## {key} " in listed if is_group(node) else f'id="{key}"' in listed
        assert is_group(node) or node["description"]


def test_defaults_name_no_folder_of_this_machine():
    listed = hook("settings").settings_tables("train")
    assert "`~/.cache/hrf_ser`" in listed
    assert str(Path.home()) not in listed


def test_every_group_of_settings_is_described():
    page = hook("presets").presets_page(REPOSITORY / "conf")
    for path in (REPOSITORY / "conf").glob("*/*.yaml"):
        assert f"### {path.parent.name}={path.stem} " in page


def test_error_messages_are_listed():
    page = hook("errors").errors_page(REPOSITORY / "src/hrf_ser")
    assert "<var>folder</var> holds a finished run: set hydra.run.dir to another folder, or remove it." in page


def test_a_public_name_without_a_docstring_is_found(tmp_path):
    pytest.importorskip("griffe", reason="pip install 'hrf_ser[docs]'")
    (tmp_path / "hrf_ser").mkdir()
    (tmp_path / "hrf_ser/__init__.py").write_text('"""A package."""\n')
    (tmp_path / "hrf_ser/module.py").write_text(
        '"""A module."""\n\n\nclass Public:\n    """A class."""\n\n    def method(self): ...\n\n    def _own(self): ...\n'
    )
    assert list(hook("docstrings").undocumented(["hrf_ser.module"], tmp_path)) == ["hrf_ser.module.Public.method"]


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[guide](../guides/resume.md#more-epochs)", "[guide](../guides/resume.md#more-epochs)"),
        ("[security](../../SECURITY.md)", "[security](../project/security.md)"),
        ("[`files.py`](../../src/hrf_ser/files.py)", "`files.py`"),
        ("[paper](https://arxiv.org/abs/2411.09339)", "[paper](https://arxiv.org/abs/2411.09339)"),
        ("![picture](../images/demo.svg)", "![picture](../images/demo.svg)"),
    ],
)
def test_links_of_a_page_lead_to_pages_of_the_site(link, shown, monkeypatch):
    pytest.importorskip("griffe", reason="pip install 'hrf_ser[docs]'")
    monkeypatch.syspath_prepend(DOCS / "hooks")
    page = "docs/explanation/reliability.md"
    assert hook("site").lead_links(link, page, page) == shown
