"""The table of configurations: sorting, filtering, opening, copying; with the mouse and with the keyboard."""

import pytest
from fake_report import fake_report

ENTER, SPACE, TAB = "\ue007", " ", "\ue004"


@pytest.fixture(scope="module")
def report():
    return fake_report()


def column(page, key):
    return page.texts(f"tr.configuration td[data-column={key}]")


def order(page):
    return page.js("return [...document.querySelectorAll('tr.configuration')].map((row) => row.dataset.key)")


def keys_by(report, value, reverse):
    return [c["key"] for c in sorted(report["configurations"], key=value, reverse=reverse)]


def test_best_configuration_is_first(show, report):
    page = show(report)
    assert order(page) == keys_by(report, lambda c: c["scores"]["ua"]["mean"], reverse=True)
    assert page.one("th[data-column=ua]").get_attribute("aria-sort") == "descending"


def test_headings_sort_both_ways(show, report):
    page = show(report)
    page.click("th[data-column=training] button")
    assert order(page) == keys_by(report, lambda c: c["parameters"]["training"], reverse=False)
    assert page.one("th[data-column=training]").get_attribute("aria-sort") == "ascending"
    assert page.one("th[data-column=ua]").get_attribute("aria-sort") == "none"
    page.click("th[data-column=training] button")
    assert order(page) == keys_by(report, lambda c: c["parameters"]["training"], reverse=True)


def test_unknown_numbers_come_last_in_both_directions(show):
    report = fake_report()
    for configuration in report["configurations"][:3]:
        configuration["latency_ms"] = None
    page = show(report)
    for _ in range(2):
        page.click("th[data-column=latency] button")
        assert [i for i, text in enumerate(column(page, "latency")) if text == "–"] == [12, 13, 14]


def test_filter_keeps_rows_with_all_words(show, report):
    page = show(report)
    page.click("#filter")
    page.keys("Speech hrf")
    page.until("return document.querySelectorAll('tr.configuration').length === 3")
    assert page.one("#configurations [role=status]").text == "3 of 15 configurations"
    page.keys(" nonsense")
    page.until("return document.querySelectorAll('tr.configuration').length === 0")
    page.change("arguments[0].select()", page.one("#filter"))
    page.keys("\ue003")
    page.until("return document.querySelectorAll('tr.configuration').length === 15")


def test_keyboard_sorts_and_opens(show, report):
    page = show(report)
    page.focus("th[data-column=label] button")
    page.keys(ENTER)
    assert page.one("th[data-column=label]").get_attribute("aria-sort") == "ascending"
    page.keys(*[TAB] * 11, SPACE)
    expand = page.js("return document.activeElement.getAttribute('aria-expanded')")
    assert expand == "true"
    assert page.count("tr.detail:not([hidden])") == 1
    outline = page.js("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_row_opens_to_its_runs(show, report):
    page = show(report)
    best = max(report["configurations"], key=lambda c: c["scores"]["ua"]["mean"])
    assert page.count(".runs") == 0
    page.click("tr.configuration .expand")
    rows = page.texts(".runs tbody tr")
    assert len(rows) == len(best["detail"]) == 12
    assert best["detail"][3]["folder"] in rows[3]
    assert f"{best['detail'][3]['ua']:.3f}" in rows[3]
    assert page.one(".runs pre").text == best["command"]
    # Sorting does not close it; a second click does.
    page.click("th[data-column=wa] button")
    assert page.count("tr.detail:not([hidden]) .runs tbody tr") == 12
    page.click("tr.configuration .expand[aria-expanded=true]")
    assert page.count("tr.detail:not([hidden])") == 0


def pasted(page):
    page.focus("#filter")
    page.change("arguments[0].select()", page.one("#filter"))
    page.paste()
    return page.one("#filter").get_attribute("value")


def test_command_is_copied(show, report):
    page = show(report)
    best = max(report["configurations"], key=lambda c: c["scores"]["ua"]["mean"])
    page.click("tr.configuration .copy")
    page.until("return document.querySelector('tr.configuration .copy').textContent === 'Copied'")
    assert best["label"] in page.texts("#announcement")[0]
    assert pasted(page) == best["command"]


def test_command_of_a_run_is_copied_without_the_clipboard_interface(show, report):
    page = show(report)
    page.change("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    best = max(report["configurations"], key=lambda c: c["scores"]["ua"]["mean"])
    page.click("tr.configuration .expand")
    page.focus(".runs tbody tr:nth-child(2) .copy")
    page.keys(ENTER)
    page.until("return document.querySelector('.runs tbody tr:nth-child(2) .copy').textContent === 'Copied'")
    assert pasted(page) == best["detail"][1]["command"]
