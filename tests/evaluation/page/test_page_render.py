"""The file itself, without a browser: closed to the network, and deaf to markup in names."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fake_report import fake_report

from hrf_ser.evaluation.page import render
from hrf_ser.evaluation.page.render import SCRIPTS, VENDORED

FOLDER = Path(render.__globals__["__file__"]).parent
HOSTILE = "</script ></script><script>alert(1)</script><!--<img src=x onerror=alert(2)>&amp;'\"\u2028"


class Reader(HTMLParser):
    """Elements with their attributes, and the text of every script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data


def styles() -> str:
    return "\n".join(path.read_text() for path in sorted((FOLDER / "style").iterdir()))


def test_nothing_is_fetched_and_no_attribute_is_code():
    text = render(fake_report())
    for tag, attributes in Reader(text).elements:
        assert not {"src", "href", "srcset", "action"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert not re.search(r"@import|url\(", styles())


def test_policy_lets_exactly_the_inlined_scripts_run():
    reader = Reader(render(fake_report()))
    [policy] = [a["content"] for tag, a in reader.elements if tag == "meta" and "http-equiv" in a]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    kinds = [a.get("type") for tag, a in reader.elements if tag == "script"]
    assert kinds == ["application/json", None, None, None]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in reader.scripts[1:]]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]


def test_hostile_names_stay_inside_the_data():
    report = fake_report()
    report["title"] = report["answer"] = HOSTILE
    report["labels"]["ravdess"] = [HOSTILE] * 8
    report["failed"] = [{"folder": HOSTILE, "reason": HOSTILE}]
    plain, hostile = Reader(render({**fake_report(), "answer": "One sentence."})), Reader(render(report))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert json.loads(hostile.scripts[0])["failed"] == report["failed"]
    # Browsers end a script at more than Python's parser does, so the sign itself must not be there.
    [data] = re.findall(r'id="report">(.*)</script>\n', render(report))
    assert not re.search("[<>&]", data)


def test_dollars_in_a_report_are_no_templates():
    report = fake_report()
    report["answer"] = "$title ${style} $$"
    assert '<p class="answer">$title ${style} $$</p>' in render(report)


def test_a_p_value_of_the_answer_is_not_broken_over_lines():
    page = render({**fake_report(), "answer": "It helps, p = 0.031. Large is better, p < 0.001. Steep = 2."})
    assert "p\u00a0=\u00a00.031." in page
    assert "p\u00a0&lt;\u00a00.001. Steep = 2." in page


def test_what_is_no_json_is_refused():
    with pytest.raises(TypeError):
        render({**fake_report(), "missing": object()})


def test_every_script_of_the_folder_is_inlined():
    assert sorted(SCRIPTS) == sorted(path.name for path in (FOLDER / "script").iterdir())


def test_vendored_files_are_the_recorded_ones_with_their_licences():
    record = json.loads((FOLDER / "vendor" / "vendor.json").read_text())
    assert sorted(record) == sorted(VENDORED)
    for name, entry in record.items():
        assert hashlib.sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == entry["sha256"]
        assert f"v{entry['version']} " in (FOLDER / "vendor" / name).read_text()[:200]
        licence = entry["licence"].split(", ")[1]
        assert "Permission to use" in (FOLDER / "vendor" / licence).read_text()


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(scheme):
    """WCAG AA: 4.5 for text, 3 for marks."""
    block = re.findall(r":root \{(.*?)\}", styles(), re.S)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", block))
    for ground in ("page", "surface"):
        for name in ("ink", "soft", "light-text", "hrf-text", "large-text", "alarm"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        for name in ("light", "hrf", "large", "focus"):
            assert contrast(colours[name], colours[ground]) >= 3, (name, ground)
    assert contrast(colours["alarm"], colours["alarm-surface"]) >= 4.5
    assert contrast(colours["ink"], colours["heat"]) >= 4.5
