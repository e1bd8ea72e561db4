"""The report of a comparison in a real browser without a window."""

import json
import os
import re

import numpy as np
import pytest

from experiments.compare.comparison import compare_scores, with_names
from experiments.compare.report import page as page_module
from experiments.compare.report import plots
from experiments.compare.report.excerpts import Excerpt, RunEstimate
from experiments.compare.run import read
from tests.browser import CHROMIUM, DRIVER, OPTIONS
from tests.experiments.fake_runs import make_run, scores_of, song_names, usual_scores

RATE, SECONDS = 16000, 4.0
STATE = "const a = document.querySelectorAll('audio')[arguments[0]];" + (
    "return {time: a.currentTime, ready: a.readyState, paused: a.paused, ended: a.ended,"
    "error: a.error && a.error.message, seconds: a.duration};"
)


def comparison_of(folders, baseline=0):
    runs = with_names([read(folder, print) for folder in folders])
    chosen = None if baseline is None else runs[baseline]
    return compare_scores(runs, chosen, None, None, print)


def excerpts(runs, rng):
    def noise():
        return (0.1 * rng.standard_normal((round(SECONDS * RATE), 1))).astype(np.float32)

    found = []
    for song in ("Song 00", "Song 03"):
        takes = [RunEstimate(run, ("worst",), 1.0, noise()) for run in runs]
        found.append(Excerpt(song, "drums", 61.0, noise(), noise(), RATE, takes))
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of three runs, one of them without some scores."""
    folder = tmp_path_factory.mktemp("page")
    shifts = {"first": 0.0, "second": 1.0, "third & <last>": -1.0}
    folders = [
        make_run(folder / name, scores=usual_scores(shift)) for name, shift in shifts.items()
    ]
    scores = json.loads((folders[2] / "scores" / "summary.json").read_text())
    scores["songs"]["Song 05"]["drums"]["SDR"] = float("nan")
    (folders[2] / "scores" / "summary.json").write_text(json.dumps(scores))
    comparison = comparison_of(folders)
    parts = page_module.Parts("Runs <b>beside</b> each other", ["something was left out"])
    parts.curves = plots.curves(comparison.runs)
    parts.boxes = {"drums": plots.boxes(comparison, "drums", None)}
    parts.excerpts = excerpts(comparison.runs, np.random.default_rng(1))
    path = folder / "report.html"
    path.write_text(page_module.page(comparison, parts), "utf-8")
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A browser; skips where there is none, never in CI."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        assert os.environ.get("CI") != "true", f"needed in CI: {CHROMIUM} and {DRIVER}"
        pytest.skip(f"needs {CHROMIUM} and {DRIVER} (Debian: chromium, chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = str(CHROMIUM)
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium, page):
    """The page, opened anew; afterwards nothing has complained and nothing was fetched."""
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    chromium.get(page.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [
        e["params"]["request"]["url"] for e in events if e["method"].endswith("requestWillBeSent")
    ]
    assert page.as_uri() in asked
    assert [url[:80] for url in asked if not url.startswith(("data:", page.as_uri()))] == []


def all_of(browser, selector):
    return browser.find_elements("css selector", selector)


def wait(browser, condition):
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, 20, 0.05).until(lambda _: condition())


def column(browser, place):
    return [cell.text for cell in all_of(browser, f"#songs tbody tr > :nth-child({place})")]


def numbers(texts):
    return [float(text.replace("−", "-")) for text in texts if text != "–"]


def head(browser, place):
    return all_of(browser, "#songs thead button")[place]


def choose(browser, name, value):
    from selenium.webdriver.support.select import Select

    Select(browser.find_element("id", name)).select_by_value(value)


def write(browser, name, text):
    field = browser.find_element("id", name)
    field.clear()
    field.send_keys(text)
    return field


def test_players_play_one_at_a_time_and_go_on_where_the_last_one_was(browser):
    buttons = all_of(browser, ".take button")
    assert len(buttons) == 2 * (2 + 2 * 3)  # songs × (mixture, reference, estimate and error)

    def state(place):
        return browser.execute_script(STATE, place)

    buttons[0].click()
    wait(browser, lambda: state(0)["time"] > 0.8)
    assert state(0)["error"] is None and state(0)["ready"] >= 3
    assert state(0)["seconds"] == pytest.approx(SECONDS, abs=0.02)
    buttons[3].click()
    wait(browser, lambda: state(3)["time"] > 0 and not state(3)["paused"])
    assert state(0)["paused"]
    assert state(3)["time"] > state(0)["time"] - 0.1 > 0.5  # it did not begin at its beginning
    buttons[3].click()
    wait(browser, lambda: state(3)["paused"])
    browser.execute_script(  # each of them can be decoded to its end
        "for (const a of document.querySelectorAll('audio')) {"
        "a.muted = true; a.currentTime = arguments[0]; a.play(); }",
        SECONDS - 0.1,
    )
    wait(browser, lambda: all(state(n)["ended"] or state(n)["error"] for n in range(len(buttons))))
    assert [state(n)["error"] for n in range(len(buttons))] == [None] * len(buttons)


def test_a_click_in_a_picture_and_the_keyboard_seek(browser):
    from selenium.webdriver.common.keys import Keys

    all_of(browser, ".view")[1].click()
    wait(browser, lambda: browser.execute_script(STATE, 1)["time"] > SECONDS / 2)
    button, slider = all_of(browser, ".take button")[1], all_of(browser, ".take input")[1]
    button.send_keys(Keys.SPACE)
    wait(browser, lambda: browser.execute_script(STATE, 1)["paused"])
    slider.send_keys(Keys.HOME)
    wait(browser, lambda: browser.execute_script(STATE, 1)["time"] == 0)
    assert button.get_attribute("aria-label") == "play reference: drums"


def test_sorting_sorts(browser):
    assert column(browser, 1) == song_names(8)
    head(browser, 1).click()
    down = numbers(column(browser, 2))
    assert down == sorted(down, reverse=True) and len(set(down)) == 8
    assert all_of(browser, "#songs th[aria-sort='descending']")[0].text.startswith("first")
    head(browser, 1).click()
    assert numbers(column(browser, 2)) == down[::-1]
    head(browser, 3).click()
    assert column(browser, 4)[-1] == "–"  # no score is last whichever way
    head(browser, 3).click()
    assert column(browser, 4)[-1] == "–"
    head(browser, 0).click()
    assert column(browser, 1) == song_names(8)


def test_filters_filter(browser):
    assert len(column(browser, 1)) == 8
    write(browser, "song-filter", "song 03")
    assert column(browser, 1) == ["Song 03"]
    assert browser.find_element("id", "count").text == "1 of 8 songs"
    shown = [song.is_displayed() for song in all_of(browser, ".song")]
    assert shown == [False, True]
    write(browser, "song-filter", "")
    write(browser, "run-filter", "sec")
    assert [cell.text for cell in all_of(browser, "#songs thead th")[1:]] == ["second"]
    write(browser, "run-filter", "nothing like it")
    assert column(browser, 1) == []


def test_the_table_shows_the_chosen_scores(browser, page):
    scores = json.loads((page.parent / "first" / "scores" / "summary.json").read_text())["songs"]
    for source, metric in (("drums", "SDR"), ("accompaniment", "SDR"), ("accompaniment", "SAR")):
        choose(browser, "source", source)
        choose(browser, "metric", metric)
        expected = [scores[song][source][metric] for song in song_names(8)]
        np.testing.assert_allclose(numbers(column(browser, 2)), expected, atol=0.0051)
    choose(browser, "metric", "SDR")
    choose(browser, "show", "gain")
    assert set(numbers(column(browser, 2))) == {0.0}
    assert set(numbers(column(browser, 3))) == {1.0}
    foot = [cell.text for cell in all_of(browser, "#songs tfoot tr > *")]
    assert foot == ["median of these", "0.00", "+1.00", "−1.00"]


def test_runs_that_are_switched_off_fade_everywhere(browser):
    chips = all_of(browser, ".chips button")
    assert [chip.text for chip in chips] == ["first", "second", "third & <last>"]
    chips[1].click()
    assert chips[1].get_attribute("aria-pressed") == "false"
    faded = browser.execute_script(
        "return [0, 1].map((n) => [...document.querySelectorAll('g.run-' + n)]"
        ".map((part) => getComputedStyle(part).opacity < 0.5))"
    )
    assert not any(faded[0]) and all(faded[1]) and faded[1]
    heads = [cell.text for cell in all_of(browser, "#songs thead th")[1:]]
    assert heads == ["first", "third & <last>"]
    assert not any(pair.is_displayed() for pair in all_of(browser, ".pair.run-1"))
    chips[1].click()
    assert len(all_of(browser, "#songs thead th")) == 4


def test_pointing_at_a_run_puts_the_others_behind_it(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    def opacity(run):
        script = f"return getComputedStyle(document.querySelector('g.run-{run}')).opacity"
        return float(browser.execute_script(script))

    assert (opacity(0), opacity(2)) == (1, 1)
    ActionChains(browser).move_to_element(all_of(browser, ".chips button")[2]).perform()
    wait(browser, lambda: opacity(0) < 0.5)
    assert opacity(2) == 1
    ActionChains(browser).move_to_element(browser.find_element("css selector", "h1")).perform()
    wait(browser, lambda: opacity(0) == 1)


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_on_a_phone_and_in_the_dark(browser, width, scheme):
    told = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", told)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width  # only tables and pictures scroll sideways, within themselves
    colours = browser.execute_script(
        "const s = getComputedStyle(document.body), t = document.querySelector('svg text');"
        "return [s.color, s.backgroundColor, getComputedStyle(t).fill];"
    )
    ink, paper, words = (
        0.001 * np.dot((299, 587, 114), [float(n) for n in re.findall(r"[\d.]+", text)[:3]])
        for text in colours
    )
    assert (ink > paper) == (scheme == "dark")
    assert abs(ink - paper) > 150 and abs(words - paper) > 150
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_names_are_text_and_never_markup(page):
    text = page.read_text("utf-8")
    assert "Runs &lt;b&gt;beside&lt;/b&gt; each other" in text
    assert "<last>" not in text and "third &amp; &lt;last&gt;" in text
    assert "something was left out" in text
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(data)["runs"][2]["name"] == "third & <last>"
    assert page.stat().st_size < 1_500_000


def test_a_page_without_scores_and_without_sound(tmp_path):
    comparison = comparison_of([make_run(tmp_path / "a")], None)
    text = page_module.page(comparison, page_module.Parts("a", silent=["no sound today"]))
    assert "no sound today" in text and "<audio" not in text and 'id="songs"' not in text


def test_many_runs_stand_below_each_other(tmp_path):
    folders = [
        make_run(tmp_path / name, {"seed": place}, usual_scores(place))
        for place, name in enumerate("abcd")
    ]
    text = page_module.page(comparison_of(folders), page_module.Parts("four"))
    table = text[text.index('id="table"') : text.index('id="songs"')]
    heads = re.findall(r'<th scope="col">([^<]+)</th>', table)
    assert heads[:5] == ["run", "drums SDR", "drums SIR", "drums SAR", "drums SDR gain"]
    assert "seed" in heads and "1 key differs between the configurations" in table
    names = re.findall(r'<th scope="row">.*?</span>(\w)</th>', table)
    assert names == list("adcb" * 2)  # the baseline, then the best first; scores, then keys


def test_one_source_of_one_run_is_a_page(tmp_path):
    folder = make_run(tmp_path / "a", scores=scores_of({"x": {"drums": [1.0]}}))
    text = page_module.page(comparison_of([folder], None), page_module.Parts("a"))
    assert '<option value="gain">' not in text and '<option value="drums">' in text
