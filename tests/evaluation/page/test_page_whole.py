"""The page as a whole: choices at its top, protocol `test_oracle`, small screens, dark mode, paper, hostile and
empty reports."""

from typing import Any

import pytest
from browser_page import PHONE
from fake_report import fake_report

HOSTILE = "</script ></script><script>window.broken=1</script><img src=x onerror=window.broken=1>"
SIDEWAYS = """
  const inside = (node) => node.closest('.scrolling, .unseen, svg');
  return [...document.querySelectorAll('body *')].filter((node) => !inside(node))
    .filter((node) => node.getBoundingClientRect().right > innerWidth + 1).map((node) => node.outerHTML.slice(0, 100))"""


def emptied(value: Any) -> Any:
    """The same report without any number."""
    if isinstance(value, dict):
        return {key: emptied(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [emptied(entry) for entry in value]
    return value if isinstance(value, (str, bool)) else None


def hostile(value: Any) -> Any:
    """The same report with markup behind every text but those that choose."""
    if isinstance(value, dict):
        fixed = ("kind", "size", "metric", "protocol")
        return {
            (key if key in KEYS else key + HOSTILE): (entry if key in fixed else hostile(entry))
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [hostile(entry) for entry in value]
    return value + HOSTILE if isinstance(value, str) else value


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


# All keys of the schema; labels, corpora and names of versions are not.
KEYS = keys_of(fake_report()) - {"ravdess", *fake_report()["labels"]["ravdess"], *fake_report()["versions"]}


def test_answer_stands_at_the_top(show):
    report = fake_report()
    page = show(report)
    assert page.texts(".answer") == [report["answer"]]
    assert page.one(".answer").rect["y"] < 100
    # Its first sentence is the largest text of the head.
    assert page.texts(".answer .more") == ["Light is 0.029 UA below large."]
    sizes = page.js("""return ['.answer', '.answer .more', 'h1'].map((css) =>
      parseFloat(getComputedStyle(document.querySelector(css)).fontSize))""")
    assert sizes[0] > 1.3 * max(sizes[1:])
    assert page.texts("#warnings li") == report["warnings"]
    # The headline's numbers are seen without scrolling.
    assert page.one("#headline .big").rect["y"] < 600


def test_links_lead_to_every_section(show):
    page = show(fake_report())
    links = page.js("return [...document.querySelectorAll('#contents a')].map((a) => a.getAttribute('href'))")
    parts = ["pareto", "forest", "rank", "recall", "confusion", "curves", "configurations", "incomplete"]
    assert links == [f"#{part}" for part in parts]
    assert all(page.count(link) == 1 for link in links)


def test_one_corpus_and_one_protocol_are_shown_at_a_time(show):
    report = fake_report(("ravdess", "emodb"), ("test_oracle", "validation"))
    page = show(report)

    def shown():
        keys = page.js("return [...document.querySelectorAll('tr.configuration')].map((row) => row.dataset.key)")
        return {tuple(key.split("/")[:2]) for key in keys}, len(keys)

    # Protocol validation is shown first, whatever the order in the report.
    assert shown() == ({("ravdess", "validation")}, 15)
    page.click("#filters input[value=emodb]")
    assert shown() == ({("emodb", "validation")}, 15)
    page.click("#filters input[value=test_oracle]")
    assert shown() == ({("emodb", "test_oracle")}, 15)
    page.until("return [...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('svg'))")


def test_protocol_last_epoch_comes_after_validation_and_has_no_curve_of_validation(show):
    report = fake_report(protocols=("last_epoch", "validation"))
    for one in report["configurations"]:
        if one["protocol"] == "last_epoch":
            one["history"] = {key: values for key, values in one["history"].items() if not key.startswith("val/")}
            for run in one["detail"]:
                run["val_ua"] = None
    page = show(report)
    assert page.texts("#curves h3") == ["UA on validation speakers", "Training loss"]
    page.click("#filters input[value=last_epoch]")
    assert page.texts("#curves h3") == ["Training loss"]
    assert page.count("main .oracle") == 0


def test_protocol_test_oracle_is_marked_wherever_its_numbers_are(show):
    page = show(fake_report(protocols=("validation", "test_oracle")))
    assert page.count("main .oracle") == 0
    page.click("#filters input[value=test_oracle]")
    parts = "main section:not(#incomplete):not(#headline), .tile, tr.configuration"
    unmarked = page.js(
        """return [...document.querySelectorAll(arguments[0])]
          .filter((part) => !part.querySelector('.oracle')).map((part) => part.id || part.className)""",
        parts,
    )
    assert unmarked == []
    red = page.js("return getComputedStyle(document.querySelector('main .oracle')).color")
    assert red == "rgb(179, 20, 29)"
    assert page.count("#warnings .about-oracle") == 1


def test_incomplete_runs_are_listed(show):
    page = show(fake_report())
    assert page.texts("[data-runs] summary") == ["Missing: 1", "Failed: 1", "Unfinished: 1"]
    assert "Loss is not finite" in page.one("[data-runs=failed]").text
    complete = {**fake_report(), "missing": [], "failed": [], "unfinished": []}
    assert "every run" in show(complete).one("#incomplete").text


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_page_never_scrolls_sideways(show, width):
    page = show(fake_report(), (width, 740))
    page.click("tr.configuration .expand")
    page.change("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    page.until("return [...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('svg'))")
    assert page.js("return document.documentElement.scrollWidth") <= width
    assert page.js(SIDEWAYS) == []


def test_pictures_follow_the_width_of_the_window(show):
    page = show(fake_report())
    page.look(PHONE)
    page.until("return [...document.querySelectorAll('.plot svg')].every((svg) => svg.getAttribute('width') < 360)")
    assert page.js("return document.documentElement.scrollWidth") <= 360


def test_dark_mode_is_dark_and_paper_is_white(show):
    page = show(fake_report(), scheme="dark")
    ground = "return getComputedStyle(document.body).backgroundColor"
    ink = "return getComputedStyle(document.querySelector('#pareto .plot svg text')).fill"
    assert page.js(ground) == "rgb(18, 20, 23)"
    assert page.js(ink) != "rgb(0, 0, 0)"
    page.look(scheme="dark", medium="print")
    assert page.js(ground) == "rgb(255, 255, 255)"
    assert page.js("return getComputedStyle(document.querySelector('.copy')).display") == "none"
    page.look()


def test_hostile_names_are_shown_and_not_run(show):
    report = hostile(fake_report())
    page = show(report)
    page.click("tr.configuration .expand")
    page.click("[data-cell='1,6']")
    page.change("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert page.js("return window.broken") is None
    assert page.count("script") == 4
    assert page.count("img") == 0
    assert page.texts(".answer") == [report["answer"]]
    assert HOSTILE in page.one("tr.configuration .expand").text
    assert HOSTILE in page.one("#confusion-text").text
    assert page.count("[data-plot=recall] g.dots > *") == 40


def test_hostile_names_do_not_widen_a_phone(show):
    page = show(hostile(fake_report()), PHONE)
    assert page.js("return document.documentElement.scrollWidth") <= 360
    assert page.js(SIDEWAYS) == []


def test_other_settings_are_a_family_of_their_own(show):
    report = fake_report()
    namesakes = [
        {**c, "key": f"{c['key']}/lr=1", "label": f"{c['label']}, lr=1", "variant": "lr=1"}
        for c in report["configurations"]
        if c["family"] == "conformer"
    ]
    page = show({**report, "configurations": report["configurations"] + namesakes})
    names = ["ConvTransformer", "Conformer", "SpeechFormer", "Conformer, lr=1"]
    assert page.texts("#rank h3") == names
    assert page.texts("#recall .segments span") == names
    # Side by side, though they cost the same.
    places = page.js("""return [...document.querySelectorAll('[data-plot=pareto] g.dots > *')]
      .map((dot) => dot.getBoundingClientRect()).map((box) => `${Math.round(box.x)} ${Math.round(box.y)}`)""")
    assert len(set(places)) == 20


def test_large_models_with_hrf_do_not_answer_for_light_ones(show):
    report = fake_report()
    for configuration in report["configurations"]:
        if configuration["hrf"] and configuration["family"] != "conformer":
            configuration["size"] = "large"
    page = show(report)
    assert "3 comparisons together" in page.texts("#headline .tile")[0]


def test_report_without_any_number_is_shown(show):
    page = show(emptied(fake_report()))
    assert page.count("tr.configuration") == 15
    assert set(page.texts("td[data-column=ua]")) == {"–"}
    assert "NaN" not in page.texts("main")[0]
    assert "undefined" not in page.texts("main")[0]
    page.click("tr.configuration .expand")
    for key in ("ua", "latency", "label"):
        page.click(f"th[data-column={key}] button")


def test_single_configuration_without_history_is_shown(show):
    report = fake_report()
    one = report["configurations"][0]
    bare = {"rank": None, "latency_ms": None, "confusion": [], "recall": {}, "history": {}}
    nothing: dict[str, Any] = {name: [] for name in ("comparisons", "missing", "failed", "unfinished", "warnings")}
    one["scores"]["ua"].update(low=None, high=None, sd=None)
    page = show({**report, **nothing, "configurations": [{**one, **bare}], "labels": {"ravdess": []}})
    assert page.count("[data-plot=pareto] g.dots > *") == 1
    assert page.count("#confusion, #curves, #recall") == 0
    assert "nothing can be compared" in page.one("#forest").text
    assert page.texts("#headline .big .figure") == ["–", "–", "0"]
    assert "NaN" not in page.texts("main")[0]


def test_report_without_configurations_is_shown(show):
    page = show({"title": "Nothing yet", "answer": "None.", "failed": [{"folder": "runs/a", "reason": "x"}]})
    assert "No finished run" in page.texts("main")[0]
    assert page.count("[data-runs=failed]") == 1
