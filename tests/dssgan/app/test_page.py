"""The page in a real browser without a window: drop, queue, play, loop, download."""

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from datasets import audio
from tests.browser import CHROMIUM, DRIVER, OPTIONS
from tests.dssgan.app.serving import PIECES, serving

STATE = """
const {player} = window.dssgan.view;
return {playing: player.playing, seconds: player.position() / player.rate, looping: player.looping,
        levels: Object.fromEntries(player.names.map((name) => [name, player.level(name)])),
        loop: player.loop};
"""
# Renders what the player schedules, in a context that computes as fast as it can: a loop of 2 s
# in 10 s, begun at 1.5 s. Returns the sum of the stems, and the original.
RENDER = """
(async (job, original, done) => {
const {Player} = await import("/static/player.js");
const context = new OfflineAudioContext(2, 5 * job.facts.sample_rate, job.facts.sample_rate);
const player = new Player(job, context, (error) => done(String(error)));
player.compare(original);
player.place = Math.round(1.5 * player.rate);
player.playing = true;
player.loop = [player.rate, 3 * player.rate];
player.looping = true;
player.next = {when: 0.25, start: player.place};
while (player.next.when < 5) await player.add(player.next.start, player.end(player.next.start), 0);
const found = await context.startRendering();
done([...found.getChannelData(0)]);
})(...arguments);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    assert CHROMIUM.exists() and DRIVER.exists(), "apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for option in (*OPTIONS, "--autoplay-policy=no-user-gesture-required"):
        options.add_argument(option)
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_script_timeout(60)
    driver.downloads = downloads
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """What a person does with the page."""

    def __init__(self, driver, url):
        self.driver = driver
        driver.get(url)
        self.until(lambda: driver.find_elements(By.CSS_SELECTOR, "#model option"))

    def until(self, condition, seconds=30):
        return WebDriverWait(self.driver, seconds, 0.1).until(lambda _: condition())

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def choose(self, *paths):
        self.one("#files").send_keys("\n".join(map(str, paths)))

    def click(self, text, within="body"):
        """Click the button of this text."""
        (found, *_) = [each for each in self.all(f"{within} button") if each.text == text]
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()

    def key(self, key):
        self.driver.switch_to.active_element.send_keys(key)

    def state(self):
        return self.driver.execute_script(STATE)

    def open(self, song):
        """Separate a song and open it in the player."""
        self.choose(song)
        self.until(lambda: self.all("li.done"))
        self.click("Open", "li.done")
        self.until(lambda: self.all(".track"))

    def faults(self):
        """What the browser complains about, refused requests of the tests' own making aside."""
        return [each["message"] for each in self.driver.get_log("browser")]


@pytest.fixture
def page(browser, server):
    found = Page(browser, server.url)
    yield found
    assert found.faults() == []
    browser.get("about:blank")


@pytest.fixture
def tones(tmp_path):
    """Ten seconds in which every sample is another one."""
    rng = np.random.default_rng(3)
    noise = (0.1 * rng.standard_normal((10 * 44100, 2))).astype(np.float32)
    audio.write(tmp_path / "tones.wav", noise, 44100, bits="32f")
    return tmp_path / "tones.wav"


pytestmark = pytest.mark.slow


def test_a_song_is_heard_stem_by_stem(page, tones):
    page.open(tones)
    assert [each.get_attribute("data-stem") for each in page.all(".track")] == [
        "drums",
        "accompaniment",
    ]
    assert "null test" in page.one("#facts").text and "dBFS" in page.one("#facts").text
    page.click("Play")
    page.until(lambda: page.state()["seconds"] > 1)
    assert page.state()["playing"] and page.one("#play").text == "Pause"
    assert page.state()["levels"] == {"drums": 1, "accompaniment": 1, "mixture": 0}
    page.click("Original")
    assert page.state()["levels"] == {"drums": 0, "accompaniment": 0, "mixture": 1}
    page.click("Original")
    page.click("Solo", ".track[data-stem=drums]")
    assert page.state()["levels"] == {"drums": 1, "accompaniment": 0, "mixture": 0}
    page.click("Solo", ".track[data-stem=drums]")
    page.click("Mute", ".track[data-stem=drums]")
    assert page.state()["levels"] == {"drums": 0, "accompaniment": 1, "mixture": 0}
    page.driver.execute_script("window.dssgan.view.player.seek(9.6 * 44100)")
    page.until(lambda: not page.state()["playing"])
    assert page.state()["seconds"] == 10


def test_everything_by_keys(page, tones):
    page.open(tones)
    page.one("h1").click()
    for key, name in (("2", "accompaniment"), ("1", "drums")):
        page.key(key)
        assert page.driver.switch_to.active_element.text == name
    page.key("m")
    assert page.state()["levels"]["drums"] == 0
    page.key("m")
    page.key("s")
    assert page.state()["levels"] == {"drums": 1, "accompaniment": 0, "mixture": 0}
    page.key(Keys.ARROW_RIGHT)
    page.until(lambda: page.state()["seconds"] == 5)
    page.key("]")
    assert page.state()["loop"] == [0, 5 * 44100] and page.state()["looping"]
    page.key("l")
    assert not page.state()["looping"]
    page.key("a")
    assert page.state()["levels"]["mixture"] == 1
    page.key("v")
    assert page.one("#view").get_attribute("aria-pressed") == "true"
    page.driver.execute_script("document.activeElement.blur()")
    page.key(" ")
    page.until(lambda: page.state()["playing"])
    page.key(" ")
    page.until(lambda: not page.state()["playing"])


def test_what_is_played_is_exact_to_the_sample(page, tones, server):
    """Stems in sum and the original, rendered through a loop: equal to what the file holds."""
    job = server.until(server.submit(tones, bits="32f"))
    song = audio.read(tones)[0][:, 0]
    expected = np.concatenate([song[66150:132300], song[44100:132300], song[44100:132300]])
    for original in (False, True):
        heard = page.driver.execute_async_script(RENDER, job, original)
        assert not isinstance(heard, str), heard
        heard = np.array(heard)
        begin = round(0.25 * 44100)
        assert not heard[:begin].any()
        np.testing.assert_allclose(
            heard[begin:], expected[: len(heard) - begin], atol=2e-7, rtol=1e-6
        )


def test_many_files_wait_and_one_is_cancelled_and_tried_again(page, tones, tmp_path):
    for option in page.all("#model option"):
        if option.text == "slow":
            option.click()
    others = [tmp_path / f"song {place}.wav" for place in range(2)]
    for path in others:
        path.write_bytes(tones.read_bytes())
    page.choose(tones, *others)
    page.until(lambda: page.all("li.running") and len(page.all("li.queued")) == 2)
    assert page.one("li.running progress").get_attribute("max") == "1"
    page.until(lambda: "left" in page.one("li.running .state").text)
    page.click("Cancel", "li.running")
    page.until(lambda: page.all("li.cancelled"))
    page.until(lambda: page.all("li.running"))
    page.click("Retry", "li.cancelled")
    page.until(lambda: len(page.all("li.done")) == 3)
    page.click("Delete", "li.done")
    page.until(lambda: len(page.all("#jobs li")) == 2)


def test_names_that_are_code_are_shown_and_run_nothing(page, tones, tmp_path, server):
    name = "<img src=x onerror=document.title=1>.wav"
    (tmp_path / name).write_bytes(tones.read_bytes())
    page.open(tmp_path / name)
    assert page.one("#jobs .name").text == name and page.one("#player-title").text == name
    assert "DSSGAN" in page.driver.title


def test_what_is_no_song_says_so_beside_it(page, tmp_path):
    (tmp_path / "notes.mp3").write_text("no music")
    page.choose(tmp_path / "notes.mp3")
    page.until(lambda: page.all("li.failed"))
    told = page.one("li.failed .state").text
    assert told.startswith("notes.mp3") and "/" not in told


def test_downloads_in_one_click(page, tones):
    page.open(tones)
    for text, name in (
        ("Drums only", "tones - drums.flac"),
        ("Without drums", "tones - accompaniment.flac"),
        ("All stems (zip)", "tones - stems.zip"),
        (".stem.mp4", "tones - stems.stem.mp4"),
    ):
        page.click(text)
        page.until(lambda name=name: (page.driver.downloads / name).exists())
    drums = audio.read(page.driver.downloads / "tones - drums.flac")[0]
    np.testing.assert_allclose(drums, audio.read(tones)[0] / 3, atol=2**-15)
    link = page.one(".track a").get_attribute("href")
    assert "/stems/drums?format=flac" in link


def test_the_kit_in_pieces_and_its_notes(page, tones):
    Select(page.one("#model")).select_by_visible_text("halves + kit")
    page.open(tones)
    assert [each.get_attribute("data-stem") for each in page.all(".track")] == [
        *PIECES,
        "accompaniment",
    ]
    assert "drum notes, " in page.one("#facts").text
    for text, name in (
        ("Drums only", "tones - kick + snare + toms + hats + cymbals.flac"),
        ("Without drums", "tones - accompaniment.flac"),
        ("Drum notes (MIDI)", "tones - drums.mid"),
    ):
        page.click(text)
        page.until(lambda name=name: (page.driver.downloads / name).exists())
    assert (page.driver.downloads / "tones - drums.mid").read_bytes().startswith(b"MThd")
    page.key("6")
    assert page.driver.switch_to.active_element.text == "accompaniment"


def test_files_are_dropped(page, server):
    page.driver.execute_script(
        "const t = new DataTransfer(); t.items.add(new File(['no music'], 'a.wav'));"
        "window.dispatchEvent(new DragEvent('drop', {dataTransfer: t, cancelable: true}));"
    )
    page.until(lambda: page.all("li.failed"))
    assert page.one("li.failed .name").text == "a.wav"


def test_two_tabs_see_the_same(page, tones, server):
    page.open(tones)
    page.driver.switch_to.new_window("tab")
    try:
        other = Page(page.driver, server.url)
        other.until(lambda: other.all("li.done"))
        other.click("Delete", "li.done")
        other.until(lambda: not other.all("#jobs li"))
    finally:
        page.driver.close()
        page.driver.switch_to.window(page.driver.window_handles[0])
    page.until(lambda: not page.all("#jobs li") and not page.one("#player").is_displayed())


def test_a_restart_in_the_middle(browser, tmp_path, tones):
    with serving(tmp_path / "jobs") as server:
        page = Page(browser, server.url)
        server.submit(tones, model="slow")
        page.until(lambda: page.all("li.running"))
    page.until(lambda: "does not answer" in page.one("#status").text)
    with serving(tmp_path / "jobs") as server:
        page = Page(browser, server.url)
        page.until(lambda: page.all("li.done"))
    browser.get("about:blank")
    browser.get_log("browser")  # the requests that nobody answered


def test_two_hours_are_played_from_anywhere(page, server, tmp_path):
    """Memory of the page does not grow with the song."""
    rate, seconds = 8000, 7200
    block = (0.1 * np.random.default_rng(0).standard_normal((rate, 1))).astype(np.float32)
    with audio.Writer(tmp_path / "long.flac", rate, 1) as writer:
        for _ in range(seconds):
            writer.write(block)
    job = server.until(server.submit(tmp_path / "long.flac", model="coarse"), seconds=180)
    assert job["facts"]["samples"] == rate * seconds
    page.until(lambda: page.all("li.done"))
    page.click("Open", "li.done")
    page.until(lambda: page.all(".track"))
    page.driver.execute_script("window.dssgan.view.player.seek(7000 * 8000)")
    page.click("Play")
    page.until(lambda: page.state()["seconds"] > 7001)
    kept = page.driver.execute_script("return window.dssgan.view.player.cache.size")
    assert kept <= 3 * 16


@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_sticks_out(page, tones, width):
    page.driver.set_window_size(width, 900)
    page.open(tones)
    widths = page.driver.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths[0] <= widths[1]
    for button in page.all("#player button"):
        assert button.size["height"] >= 24 and button.accessible_name


def test_without_web_audio_stems_can_still_be_downloaded(page, tones):
    page.driver.execute_script("window.AudioContext = undefined")
    page.open(tones)
    assert "no Web Audio" in page.one("#status").text
    assert not page.one("#play").is_enabled() and page.one("#zip").is_enabled()


def test_the_description_is_a_page(browser, server):
    browser.get(f"{server.url}api")
    WebDriverWait(browser, 10).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "section"))
    assert "POST /api/jobs" in browser.find_element(By.TAG_NAME, "body").text
    assert [each["message"] for each in browser.get_log("browser")] == []
