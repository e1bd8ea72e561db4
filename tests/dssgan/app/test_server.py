"""The HTTP interface: songs in, stems out, and what goes wrong in one line."""

import io
import json
import os
import signal
import threading
import time
import zipfile

import numpy as np
import pytest
import soundfile
from starlette.routing import Route

from datasets import audio
from datasets.audio import stem_mp4
from dssgan.app import server as app
from dssgan.app.downloads import FORMATS
from dssgan.app.jobs import Limits
from tests.dssgan.app.serving import PIECES, SOURCES, serving
from tests.dssgan.kit.test_onsets import clicks


def sound(content):
    return soundfile.read(io.BytesIO(content), dtype="float64", always_2d=True)


def test_a_song_becomes_stems_that_add_up_to_it(server, song):
    job = server.until(server.submit(song, bits="24"))
    assert job["state"] == "done", job["error"]
    assert job["facts"] == {
        "sample_rate": 44100,
        "channels": 2,
        "samples": 6 * 44100,
        "warnings": [],
    }
    original = sound(song.read_bytes())[0]
    stems = {}
    for name in (*SOURCES, "mixture"):
        status, headers, content = server.ask(f"/api/jobs/{job['id']}/stems/{name}")
        assert status == 200
        assert f"First Song - {name}.flac" in headers["content-disposition"].replace("%20", " ")
        stems[name], rate = sound(content)
        assert rate == 44100 and stems[name].shape == original.shape
    np.testing.assert_allclose(stems["mixture"], original, atol=2**-23)
    np.testing.assert_allclose(stems["drums"], original / 3, atol=2**-22)
    null = stems["mixture"] - stems["drums"] - stems["accompaniment"]
    level = 10 * np.log10(np.square(null).mean())
    assert level == pytest.approx(job["result"]["null_db"], abs=0.01)
    assert level < -140 and job["result"]["gain_db"] == 0


def test_what_would_clip_is_quieter_and_says_so(server, tmp_path):
    loud = np.full((44100, 1), 1.0, np.float32)
    loud[::2] = -1.5
    audio.write(tmp_path / "loud.wav", loud, 44100, bits="32f")
    job = server.until(server.submit(tmp_path / "loud.wav"))
    assert job["result"]["peak"] == 1.5
    assert job["result"]["gain_db"] == pytest.approx(-20 * np.log10(1.5), abs=0.01)
    kept = server.until(server.submit(tmp_path / "loud.wav", bits="32f"))
    assert kept["result"]["gain_db"] == 0
    mixture, _ = sound(server.ask(f"/api/jobs/{kept['id']}/stems/mixture")[2])
    np.testing.assert_array_equal(mixture, loud)


def test_the_pieces_of_the_drums_and_their_notes(server, tmp_path):
    hits = clicks([0.5, 1.0, 1.5, 2.0], [0.2] * 4)
    audio.write(tmp_path / "Beat.wav", hits, 44100)
    job = server.until(server.submit(tmp_path / "Beat.wav", model="halves + kit"))
    assert job["state"] == "done", job["error"]
    assert job["sources"] == [*PIECES, "accompaniment"] and job["result"]["null_db"] < -80
    kick = sound(server.ask(f"/api/jobs/{job['id']}/stems/kick")[2])[0]
    np.testing.assert_allclose(kick, hits / 15, atol=2**-14)
    assert job["result"]["notes"] == 4 * len(PIECES) and job["result"]["tempo"] == pytest.approx(
        120, abs=2
    )
    status, headers, content = server.ask(f"/api/jobs/{job['id']}/notes")
    assert status == 200 and content.startswith(b"MThd")
    assert "Beat - drums.mid" in headers["content-disposition"].replace("%20", " ")
    # Stems that were not asked for are heard all the same.
    query = {"model": "halves + kit", "sources": "accompaniment"}
    job = server.until(server.submit(tmp_path / "Beat.wav", **query))
    assert job["result"]["notes"] == 4 * len(PIECES) and job["result"]["null_db"] is None
    # The model without it has none, and says so.
    job = server.until(server.submit(tmp_path / "Beat.wav"))
    status, answer = server.json(f"/api/jobs/{job['id']}/notes")
    assert status == 409 and "has no notes: separate it with a model + kit" in answer["error"]
    assert "notes" not in job["result"]


def test_one_stem_alone_has_no_null_test(server, song):
    job = server.until(server.submit(song, sources="drums"))
    assert job["result"]["null_db"] is None and job["sources"] == ["drums"]
    status, answer = server.json(f"/api/jobs/{job['id']}/stems/accompaniment")
    assert status == 409 and answer["error"].endswith("expected one of mixture, drums")


def test_every_format_and_mixes_and_the_zip(server, song):
    job = server.until(server.submit(song))
    reference, _ = sound(server.ask(f"/api/jobs/{job['id']}/stems/drums")[2])
    for format in FORMATS:
        status, _, content = server.ask(f"/api/jobs/{job['id']}/stems/drums?format={format}")
        assert status == 200, (format, content)
        if format in ("wav", "flac", "aiff"):
            np.testing.assert_array_equal(sound(content)[0], reference)
        assert len(content) > 5000
    mixed, _ = sound(server.ask(f"/api/jobs/{job['id']}/mix?sources=accompaniment,drums")[2])
    np.testing.assert_allclose(mixed, sound(song.read_bytes())[0], atol=2**-14)
    _, _, content = server.ask(f"/api/jobs/{job['id']}/zip?format=wav")
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert packed.namelist() == [f"First Song - {name}.wav" for name in SOURCES]
        np.testing.assert_array_equal(sound(packed.read(packed.namelist()[0]))[0], reference)
    assert server.json(f"/api/jobs/{job['id']}")[1]["bytes"] > 5 * len(content)


def test_the_stem_file_has_the_mixture_and_every_stem(server, song, tmp_path):
    job = server.until(server.submit(song))
    status, headers, content = server.ask(f"/api/jobs/{job['id']}/stem.mp4")
    assert status == 200 and ".stem.mp4" in headers["content-disposition"]
    (tmp_path / "a.stem.mp4").write_bytes(content)
    assert stem_mp4.stem_names(tmp_path / "a.stem.mp4")[-2:] == SOURCES


def test_samples_are_those_of_the_file(server, song):
    job = server.until(server.submit(song))
    path = f"/api/jobs/{job['id']}/stems/drums"
    whole, _ = sound(server.ask(path)[2])
    _, _, content = server.ask(f"{path}/samples?start=1000&stop=9000")
    np.testing.assert_array_equal(np.frombuffer(content, "<f4").reshape(-1, 2), whole[1000:9000])
    assert server.ask(f"{path}/samples?start=264600&stop=264601")[2] == b""
    for wrong, status in (
        ("start=-1&stop=5", 409),
        ("start=9&stop=5", 409),
        ("start=x&stop=5", 400),
    ):
        assert server.ask(f"{path}/samples?{wrong}")[0] == status


def test_formats_that_cannot_hold_a_song_say_so(server, tmp_path):
    audio.write(tmp_path / "high.wav", np.zeros((96000, 1), np.float32), 96000)
    job = server.until(server.submit(tmp_path / "high.wav"))
    assert job["state"] == "done" and job["result"]["null_db"] is None  # silence
    status, answer = server.json(f"/api/jobs/{job['id']}/stems/drums?format=mp3")
    assert status == 409 and "96000 Hz" in answer["error"]
    assert server.json(f"/api/jobs/{job['id']}/stems/drums?format=exe")[0] == 409
    assert server.json(f"/api/jobs/{job['id']}/mix")[0] == 409


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"no audio at all" * 100, "notes.wav", "notes.wav"),
        (b"RIFF\x00\x00", "cut.wav", "cut.wav"),
        (b"\xff\xfb" + bytes(50), "x.mp3", "x.mp3"),
    ],
)
def test_what_is_no_song_fails_in_one_line_and_the_queue_goes_on(server, song, content, name, said):
    bad, good = server.submit(content, name=name), server.submit(song)
    bad, good = server.until(bad), server.until(good)
    assert bad["state"] == "failed" and good["state"] == "done"
    assert said in bad["error"] and "\n" not in bad["error"] and "/" not in bad["error"], bad[
        "error"
    ]


def test_nine_channels_are_told_where_to_go(server, tmp_path):
    audio.write(tmp_path / "nine.wav", np.zeros((4410, 9), np.float32), 44100)
    job = server.until(server.submit(tmp_path / "nine.wav"))
    assert job["error"].startswith("nine.wav: 9 channels") and "dssgan.separate" in job["error"]


def test_a_worker_that_dies_harms_one_song(server, song):
    dies, lives = server.submit(song, model="killed"), server.submit(song)
    dies, lives = server.until(dies), server.until(lives)
    assert lives["state"] == "done"
    assert dies["state"] == "failed" and "SIGKILL" in dies["error"] and "memory" in dies["error"]
    again = server.json(f"/api/jobs/{dies['id']}/retry", "POST")[1]
    assert server.until(again)["state"] == "failed"


def test_cancel_in_the_middle_and_in_the_queue(server, song):
    slow, waits, last = (server.submit(song, model=kind) for kind in ("slow", "slow", "halves"))
    server.until(slow, ["running"])
    assert server.json(f"/api/jobs/{waits['id']}/cancel", "POST")[1]["state"] == "cancelled"
    assert server.json(f"/api/jobs/{slow['id']}/cancel", "POST")[1]["state"] == "cancelled"
    assert server.until(last)["state"] == "done"
    for job in (slow, waits):
        assert server.json(f"/api/jobs/{job['id']}")[1]["state"] == "cancelled"
        left = {path.name for path in (server.store.folder / job["id"]).iterdir()}
        assert left == {"job.json", "song.wav"}
    assert server.json(f"/api/jobs/{last['id']}/cancel", "POST")[0] == 409
    again = server.json(f"/api/jobs/{slow['id']}/retry", "POST")[1]
    assert server.until(again)["state"] == "done"


def test_progress_and_time_left_are_told(server, song):
    job = server.submit(song, model="slow")
    seen = []
    while (found := server.json(f"/api/jobs/{job['id']}")[1])["state"] in ("queued", "running"):
        seen.append((found["progress"], found["seconds_left"]))
        time.sleep(0.05)
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and len(set(shares)) >= 4
    assert all(0 < left < 10 for share, left in seen if share > 0)
    halves, slow, *_ = server.json("/api/models")[1]["models"]
    assert slow["speed"] > 0 and halves["speed"] is None


def test_deleting_a_job_that_runs_ends_it(server, song):
    job = server.submit(song, model="slow")
    server.until(job, ["running"])
    assert server.ask(f"/api/jobs/{job['id']}", "DELETE")[0] == 204
    assert server.json(f"/api/jobs/{job['id']}")[0] == 404
    assert server.until(server.submit(song))["state"] == "done"
    assert not (server.store.folder / job["id"]).exists()


def test_a_restart_goes_on_with_the_queue(tmp_path, song):
    with serving(tmp_path / "jobs") as server:
        first, second = server.submit(song, model="slow"), server.submit(song)
        server.until(first, ["running"])
    with serving(tmp_path / "jobs") as server:
        assert server.until(first)["state"] == "done" and server.until(second)["state"] == "done"


def test_limits_of_uploads_and_of_the_disk(tmp_path, song):
    size = song.stat().st_size
    with serving(tmp_path / "a", Limits(upload=size - 1)) as server:
        for body in (song.read_bytes(), iter([song.read_bytes()])):  # of known and unknown length
            status, answer = server.json("/api/jobs?name=a.wav", "POST", body)
            assert status == 413 and "may have" in answer["error"]
        assert server.json("/api/jobs")[1]["jobs"] == [] and not list((tmp_path / "a").iterdir())
    with serving(tmp_path / "b", Limits(disk=2 * size)) as server:
        first = server.until(server.submit(song))  # with its stems it takes more than that
        second = server.until(server.submit(song))  # so that the first one has to go
        assert server.json(f"/api/jobs/{first['id']}")[0] == 404
        assert server.json(f"/api/jobs/{second['id']}")[0] == 200
        server.submit(song, model="slow")
        waits = [server.json("/api/jobs?name=a.wav&model=slow", "POST", song.read_bytes())]
        waits.append(server.json("/api/jobs?name=a.wav", "POST", song.read_bytes()))
        assert waits[-1][0] == 507 and "delete some" in waits[-1][1]["error"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "name is missing"),
        ("name=a.wav&model=nope", "no model 'nope': expected one of halves, slow"),
        ("name=a.wav&sources=drums,bass", "no source 'bass': halves has drums, accompaniment"),
        ("name=a.wav&bits=12", "bits=12: expected one of 16, 24, 32f"),
    ],
)
def test_requests_that_make_no_sense(server, query, said):
    status, answer = server.json(f"/api/jobs?{query}", "POST", b"x")
    assert status == 400 and said in answer["error"]
    assert server.json("/api/jobs?name=a.wav", "POST", b"")[0] == 400


@pytest.mark.parametrize("id", ["0" * 16, "..", "%2e%2e%2f%2e%2e", "x" * 500])
def test_jobs_that_are_not_there(server, id):
    assert server.ask(f"/api/jobs/{id}")[0] == 404
    assert server.ask(f"/api/jobs/{id}/stems/drums")[0] == 404


def test_no_path_leads_out(server, song):
    job = server.until(server.submit(song))
    for stem in ("..%2fjob.json", "job.json", "..%2f..%2f..%2fetc%2fpasswd", "song"):
        assert server.ask(f"/api/jobs/{job['id']}/stems/{stem}")[0] in (404, 409)
    assert server.ask("/static/../server.py")[0] == 404
    assert server.ask("/static/%2e%2e/server.py")[0] == 404


def test_the_description_names_every_route(server):
    described = json.loads((app.STATIC / "openapi.json").read_bytes())
    told = {
        (method.upper(), path) for path, methods in described["paths"].items() for method in methods
    }
    routes = app.Server(server.store, server.dispatcher, {}).routes()
    there = {
        (method, route.path)
        for route in routes
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in route.methods - {"HEAD"}
    }
    assert told == there - {("GET", "/api/openapi.json")}
    needed = set(described["components"]["schemas"]["Job"]["required"])
    assert needed == set(described["components"]["schemas"]["Job"]["properties"])
    status, found = server.json("/api/jobs?name=a.wav", "POST", b"x")
    assert status == 201 and set(found) == needed


def test_twenty_songs_at_once(server, song):
    jobs = []
    threads = [threading.Thread(target=lambda: jobs.append(server.submit(song))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {server.until(job)["state"] for job in jobs} == {"done"} and len(jobs) == 20


def test_a_worker_that_is_killed_while_it_waits_is_started_again(server, song):
    server.until(server.submit(song))
    os.kill(server.dispatcher._process.pid, signal.SIGKILL)
    server.dispatcher._process.wait()
    assert server.until(server.submit(song))["state"] == "done"
