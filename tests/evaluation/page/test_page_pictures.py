"""Every picture is drawn, has a description, and shows the numbers of the report."""

from xml.etree import ElementTree

import pytest
from browser_page import DESKTOP, PHONE
from fake_report import LABELS, fake_report

SURFACE = {"light": "rgb(255, 255, 255)", "dark": "rgb(26, 29, 33)"}
# How everything that is drawn looks, in order.
LOOKS = """
const drawn = [...document.querySelector(arguments[0]).querySelectorAll("path, line, circle, text")];
return drawn.map((node) => {
  const names = ["fill", "stroke", "stroke-width", "font-size", "opacity", "fill-opacity"];
  return names.map((name) => getComputedStyle(node).getPropertyValue(name)).join(" ");
});
"""


@pytest.fixture(scope="module")
def report():
    return fake_report()


def test_every_picture_has_its_marks(show, report):
    page = show(report)
    marks = {
        "[data-plot=strip] svg": 2,
        "[data-plot=pareto] g.dots > *": 15,
        "[data-plot=pareto] g.whiskers > *": 15,
        "[data-plot=pareto] path.front, [data-plot=pareto] g.front > *": 1,
        "[data-plot=forest] g.means > *": 22,
        "[data-plot=forest] g.intervals > *": 22,
        "[data-plot=forest] g.pairs > *": 22 * 12,
        "[data-plot=forest] g.zero > *": 1,
        "[data-plot=rank] g.dots > *": 12,
        "[data-plot=rank] g.rank-line > *": 3,
        "[data-plot=rank] g.large-line > *": 3,
        "[data-plot=recall] g.dots > *": 8 * 5,
        "[data-plot=confusion] td button": 64,
        "[data-plot=curve] g.curve > *": 6,
        "[data-plot=curve] g.band > *": 3,
    }
    assert {css: page.count(css) for css in marks} == marks


def test_nothing_was_fetched(show, report):
    page = show(report)
    assert page.js("return performance.getEntriesByType('resource').map((entry) => entry.name)") == []


def test_every_picture_has_a_name_a_description_and_axis_titles(show, report):
    page = show(report)
    for svg in page.all(".plot svg"):
        assert svg.get_attribute("role") == "img"
        assert svg.get_attribute("aria-label")
        identifier = svg.get_attribute("aria-describedby")
        assert page.js("return document.getElementById(arguments[0]).textContent", identifier)
    titles = page.texts(".plot [aria-label$='axis label']")
    for title in (
        "Deployed parameters (log)",
        "Test UA (95 % interval)",
        "HRF rank",
        "Recall on the test set",
        "Epoch",
    ):
        assert any(title in text for text in titles), title


def test_scores_of_validation_speakers_are_called_so(show):
    page = show({**fake_report(), "split": "validation"})
    text = " ".join(page.texts(".plot [aria-label$='axis label']"))
    assert "Validation UA (95 % interval)" in text
    assert "Test UA" not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_is_saved_with_its_looks(show, report, tmp_path, scheme):
    page = show(report, scheme=scheme)
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.change("document.querySelector('[data-plot=forest] .save').click()")
    saved = tmp_path / "paired_differences_of_test_ua.svg"
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page.driver, 10, poll_frequency=0.02).until(lambda _: saved.exists() and saved.stat().st_size)
    text = saved.read_text()
    assert "var(--" not in text
    assert "class=" not in text
    root = ElementTree.fromstring(text)
    names = [node.tag.rpartition("}")[2] for node in root.iter()]
    assert names[:2] == ["svg", "rect"]
    assert "style" not in names
    # Opened alone it is drawn as it was on the page.
    there = page.js(LOOKS, "[data-plot=forest] svg")
    page.driver.get(saved.as_uri())
    page.driver.untouched = None
    page.until("return document.readyState === 'complete'")
    assert page.js(LOOKS, "svg") == there
    assert page.js("return getComputedStyle(document.querySelector('rect')).fill") == SURFACE[scheme]


def test_pareto_front_is_what_nothing_beats(show, report):
    page = show(report)
    all_of = report["configurations"]

    def beaten(c):
        ua, cost = c["scores"]["ua"]["mean"], c["parameters"]["deployed"]
        return any(o["scores"]["ua"]["mean"] > ua and o["parameters"]["deployed"] <= cost for o in all_of)

    on_it = page.js("""return [...document.querySelectorAll('#pareto .numbers tbody tr')]
      .filter((row) => row.lastChild.textContent === 'yes').map((row) => row.firstChild.textContent)""")
    assert sorted(on_it) == sorted(c["label"] for c in all_of if not beaten(c))


def test_filled_marks_are_exactly_the_clear_differences(show, report):
    page = show(report)
    fills = page.js("""return [...document.querySelectorAll('[data-plot=forest] g.means > *')]
      .filter((mark) => mark.getAttribute('fill') !== 'var(--surface)').length""")
    assert fills == sum(c["p_holm"] < 0.05 for c in report["comparisons"]) > 0


def test_headline_counts_what_holds(show, report):
    page = show(report)
    mean = report["comparisons"][0]["difference"]
    numbers = page.texts("#headline .big .figure")
    assert numbers[0] == f"{'−' if mean < 0 else '+'}{abs(mean):.3f}"
    assert numbers[2] == "6"
    assert "12 pairs of fold and seed" in page.texts("#headline")[0]
    assert "9 comparisons together, 95 % interval" in page.one("#headline").text
    assert "7.2 to 8.0 times fewer parameters" in page.one("#headline").text


def test_headline_is_the_pooled_difference_and_not_the_mean(show, report):
    pooled, *single = report["comparisons"]
    page = show({**report, "comparisons": [{**pooled, "difference": 0.042}, *single]})
    assert page.texts("#headline .big .figure")[0] == "+0.042"


def test_headline_of_a_report_without_a_pooled_comparison_is_the_mean(show, report):
    single = [c for c in report["comparisons"] if c["kind"] != "pooled"]
    page = show({**report, "comparisons": single})
    mean = sum(c["difference"] for c in single if c["kind"] == "hrf") / 9
    assert page.texts("#headline .big .figure")[0] == f"{'−' if mean < 0 else '+'}{abs(mean):.3f}"
    assert "Mean of 9 comparisons" in page.one("#headline").text


def test_settings_stand_below_the_questions_in_the_look_of_their_model(show, report):
    _, hrf, *_ = report["comparisons"]
    settings = [
        {**hrf, "kind": "setting", "label": f"Conformer: augment.mixup={number} - usual", "a": hrf[side]}
        for number, side in enumerate("ab")
    ]
    page = show({**report, "comparisons": [*report["comparisons"], *settings]})
    heading = "With another setting, against the usual one"
    texts = page.texts("[data-plot=forest] svg text")
    assert texts.index(heading) > texts.index("Against the large model")
    strokes = page.js("""return [...document.querySelectorAll('[data-plot=forest] g.means > *')]
      .map((mark) => mark.closest('[stroke]').getAttribute('stroke'))""")
    assert [strokes.count(f"var(--{group})") for group in ("light", "hrf", "large")] == [1, 1 + 9 + 1, 12]
    # They are no part of the question whether HRF helps.
    assert "9 comparisons together" in page.one("#headline").text


@pytest.mark.parametrize("letters", [31, 38, 48])
def test_a_label_that_has_room_is_written_whole(show, report, letters):
    first, *others = report["comparisons"]
    label = "ConvTransformer: ".ljust(letters, "x")
    page = show({**report, "comparisons": [{**first, "label": label}, *others]})
    assert label in page.texts("[data-plot=forest] svg text")


def test_long_labels_that_end_differently_are_told_apart(show, report):
    first, second, *others = report["comparisons"]
    targets = r"reparam.targets=[layers\.\d+\.convolution\."
    long = [f"ConvTransformer, HRF x4: {targets}{end}" for end in ("depthwise] - usual", "pointwise[12]] - usual")]
    pair = [{**first, "label": long[0]}, {**second, "label": long[1]}]
    texts = show({**report, "comparisons": [*pair, *others]}).texts("[data-plot=forest] svg text")
    for label in long:
        head, tail = label.split(": ")
        assert any(f"{head}:" in text and tail in text for text in texts)


def test_pictures_have_their_numbers_in_a_table(show, report):
    page = show(report)
    rows = "[data-plot={}] .numbers tbody tr"
    assert page.count(rows.format("pareto")) == 15
    assert page.count(rows.format("forest")) == 22
    assert page.count(rows.format("recall")) == len(LABELS)
    first = report["comparisons"][0]
    cells = page.texts("[data-plot=forest] .numbers tbody tr:first-child > *")
    sign = "−" if first["difference"] < 0 else "+"
    assert cells[:3] == [first["label"], "12", f"{sign}{abs(first['difference']):.3f}"]
    assert cells[-1] == first["verdict"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_text_of_a_picture_is_cut_off(show, report, size):
    page = show(report, size)
    cut = page.js("""
      return [...document.querySelectorAll('.plot svg text')].filter((text) => text.textContent).filter((text) => {
        const [box, room] = [text.getBoundingClientRect(), text.closest('.plot').getBoundingClientRect()];
        return box.left < room.left - 1 || box.right > room.right + 1 || box.top < room.top - 1 || box.bottom > room.bottom + 1;
      }).map((text) => text.textContent)""")
    assert cut == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_labels_of_families_do_not_meet(show, report, size):
    page = show(report, size)
    for cost in ("parameters", "macs", "latency"):
        page.click(f"#pareto input[value={cost}]")
        page.until("return document.querySelectorAll('#pareto g.family-label text').length === 6")
        boxes = page.js("""return [...document.querySelectorAll('#pareto g.family-label text')]
          .map((text) => text.getBoundingClientRect()).map((b) => [b.left, b.right, b.top, b.bottom])""")
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                assert a[1] <= b[0] + 1 or b[1] <= a[0] + 1 or a[3] <= b[2] + 3 or b[3] <= a[2] + 3, (cost, a, b)


def test_cost_is_chosen_with_mouse_and_arrow_keys(show, report):
    page = show(report)
    axis = "[data-plot=pareto] [aria-label='x-axis label']"
    page.click("#pareto input[value=macs]")
    page.until("return document.querySelector(arguments[0])?.textContent.startsWith('Multiply-adds')", axis)
    page.keys("\ue014")
    page.until("return document.querySelector(arguments[0])?.textContent.startsWith('Latency')", axis)
    assert page.count("[data-plot=pareto] g.dots > *") == 15


def test_cost_that_nobody_measured_cannot_be_chosen(show):
    report = fake_report()
    for configuration in report["configurations"]:
        configuration["latency_ms"] = None
    page = show(report)
    assert not page.one("#pareto input[value=latency]").is_enabled()
    assert page.one("#pareto input[value=macs]").is_enabled()


def test_chance_is_drawn_where_the_axis_is_near_it(show, report):
    assert show(report).count("#pareto g.chance") == 0
    assert "Chance is 0.125. It lies below this axis" in show(report).one("#pareto").text
    low = fake_report()
    for configuration in low["configurations"]:
        for name in ("mean", "low", "high"):
            configuration["scores"]["ua"][name] -= 0.33
    page = show(low)
    assert page.count("#pareto g.chance line") == 1
    assert "chance 0.125" in page.texts("#pareto svg text")


def test_pointing_at_a_mark_names_it(show, report):
    page = show(report)
    page.point("[data-plot=forest] g.means > *")
    page.until(
        "return [...document.querySelectorAll('[data-plot=forest] [aria-label=tip] text')]"
        ".some((text) => text.textContent.includes('Holm p'))"
    )


def test_classes_of_another_model_are_shown(show, report):
    page = show(report)
    page.click("#recall input[value=conformer]")
    page.until("return document.querySelector('#recall .plot svg')?.getAttribute('aria-label').includes('Conformer')")
    conformer = next(c for c in report["configurations"] if c["key"] == "ravdess/validation/conformer/plain")
    assert page.texts("#recall .numbers tbody tr:nth-child(3) td:nth-child(2)") == [
        f"{conformer['recall']['happy']:.3f}"
    ]


def test_learning_curves_are_ticked_on_and_off(show, report):
    page = show(report)
    names = page.texts("#curves .ticks label")
    page.click(f"#curves .ticks label:nth-of-type({names.index('HRF ×8') + 1}) input")
    page.until("return document.querySelectorAll('#curves g.curve > *').length === 8")
    page.click("#curves .ticks label:nth-of-type(1) input")
    page.until("return document.querySelectorAll('#curves g.curve > *').length === 6")
    assert "light" not in page.texts("#curves svg text")


def test_confusion_cell_is_said_in_words(show, report):
    page = show(report)
    shown = next(c for c in report["configurations"] if c["rank"] == 4)
    row = shown["confusion"][1]
    page.click("[data-cell='1,6']")
    said = page.texts("#confusion-text")[0]
    share = round(100 * row[6] / sum(row))
    assert said.startswith(f"Of {sum(row)} utterances of calm, {row[6]} ({share}\u00a0%) were predicted as disgust.")
    assert "large" in said
    page.click("[data-cell='3,3']")
    assert f"{shown['confusion'][3][3]} (" in page.one("#confusion-text").text
    assert page.one("[data-cell='3,3']").get_attribute("aria-pressed") == "true"


def test_confusion_shows_counts_and_other_configurations(show, report):
    page = show(report)
    page.click("#confusion input[value=count]")
    shown = next(c for c in report["configurations"] if c["rank"] == 4)
    assert page.one("[data-cell='0,0']").text == str(shown["confusion"][0][0])
    page.focus("#confusion-of")
    page.keys("SpeechFormer large")
    large = next(c for c in report["configurations"] if c["label"] == "SpeechFormer large")
    page.until("return document.querySelector('.confusion caption').textContent.includes('SpeechFormer large')")
    assert page.one("[data-cell='0,0']").text == str(large["confusion"][0][0])


def test_confusion_is_walked_with_arrow_keys(show, report):
    page = show(report)
    page.focus("[data-cell='0,0']")
    page.keys("\ue014", "\ue015", "\ue015", "\ue010", "\ue012", " ")  # right, down, down, end, left, space
    assert page.js("return document.activeElement.dataset.cell") == "2,6"
    assert "of happy" in page.one("#confusion-text").text
    assert page.count(".confusion button[tabindex='0']") == 1


def test_another_system_has_its_own_mark_and_heading(show):
    report = fake_report()
    ours = report["configurations"][0]
    theirs = {
        **ours,
        "key": "theirs",
        "label": "openSMILE + SVM",
        "family": "openSMILE + SVM",
        "model": "openSMILE + SVM",
    }
    theirs |= {
        "size": "added",
        "hrf": False,
        "rank": None,
        "history": {},
        "parameters": {"training": None, "deployed": 88},
    }
    against = {
        **report["comparisons"][-1],
        "kind": "added",
        "label": "ours - openSMILE + SVM",
        "a": ours["key"],
        "b": "theirs",
    }
    page = show(
        report
        | {"configurations": [*report["configurations"], theirs], "comparisons": [*report["comparisons"], against]}
    )
    assert "other system" in page.texts("#pareto .legend li")
    assert "other system" not in page.texts("#rank .legend li")
    assert "Against other systems and pretrained encoders" in page.texts("#forest svg text")
    assert "openSMILE + SVM" in page.texts("#pareto svg text")
    assert "openSMILE + SVM" not in page.texts("#rank h3")
