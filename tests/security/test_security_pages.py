"""Hostile names in report pages, and which code serves pages.

What the demo server serves, to which hosts and with which headers, is in tests/deploy/demo/test_demo_server.py; that a
browser runs nothing of hostile names is in tests/evaluation/page/test_page_whole.py and tests/deploy/demo/test_demo_page.py.
"""

import ast
import inspect
import json
import re
import shutil
from html.parser import HTMLParser

from omegaconf import OmegaConf

from helpers import REPOSITORY
from hrf_ser.deploy.demo.serve import Server
from hrf_ser.evaluation.build import build_report
from hrf_ser.evaluation.find import find_runs
from hrf_ser.evaluation.page.render import render
from hrf_ser.evaluation.read import read_runs
from study import make_run, write_run

SOURCE = REPOSITORY / "src"
HOSTILE = "</script ><script>alert(1)</script><img src=x onerror=alert(2)>"
SERVERS = {"hrf_ser/deploy/demo/serve.py"}


class Elements(HTMLParser):
    """Names of all elements, and event-handler attributes."""

    def __init__(self, page):
        super().__init__()
        self.names, self.handlers = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]


def page_of(folder):
    found = find_runs([str(folder)])
    runs, sentences = read_runs(found)
    return build_report(found, runs, sentences), sentences


def test_hostile_names_in_run_files_are_escaped_on_the_page(tmp_path):
    write_run(tmp_path / "plain", make_run())
    # Two protocols give two sections, as the hostile protocol name does.
    other = write_run(tmp_path / "other", make_run(seed=1, protocol="last_epoch"))
    usual = Elements(render(page_of(tmp_path)[0]))
    shutil.rmtree(other)
    folder = write_run(
        tmp_path / "<script>alert(0)<", make_run(seed=1), f'model:\n  label: "{HOSTILE}"\ntrainer: {{x: "{HOSTILE}"}}\n'
    )
    predictions = folder / "predictions.csv"
    for old, new in (("angry", HOSTILE), ("1a", f"{HOSTILE}a")):
        predictions.write_text(predictions.read_text().replace(old, new))
    record = json.loads((folder / "metrics.json").read_text())
    hostile = dict.fromkeys(("corpus", "protocol", "model", "fold"), HOSTILE)
    hostile |= {"versions": {HOSTILE: HOSTILE}, "leaks": [HOSTILE], "overrides": [f"x={HOSTILE}"]}
    (folder / "metrics.json").write_text(json.dumps(record | hostile))
    (tmp_path / "failed").mkdir()
    (tmp_path / "failed" / "failed.json").write_text(json.dumps({"reason": HOSTILE + "\x1b[2J"}))
    report, sentences = page_of(tmp_path)
    assert sentences == []
    assert "alert(1)" in json.dumps(report)
    page = render(report)
    assert Elements(page).names == usual.names
    # Browsers end a script in more places than Python's parser, so the characters themselves must not occur.
    [data] = re.findall(r'id="report">(.*)</script>\n', page)
    assert not set("<>&") & set(data)
    assert Elements(page).handlers == []
    assert "\x1b" not in page
    assert "<script>alert" not in page


def test_only_the_demo_server_opens_a_socket_and_it_binds_to_loopback_unless_the_user_says_otherwise():
    serving = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {"http.server", "socketserver", "socket", "asyncio", "wsgiref"} & set(names):
                serving.add(str(path.relative_to(SOURCE)))
    assert serving == SERVERS
    assert inspect.signature(Server).parameters["host"].default == "127.0.0.1"
    assert OmegaConf.load(REPOSITORY / "conf/demo.yaml").host == "127.0.0.1"
