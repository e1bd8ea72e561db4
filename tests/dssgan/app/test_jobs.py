"""Jobs on disk: what is kept, what is deleted, what a restart finds."""

import json

import pytest

from dssgan.app.jobs import DAY, Job, JobStore, Limits, shown_name


@pytest.fixture
def store(tmp_path):
    return JobStore(tmp_path / "jobs", Limits(disk=10_000, days=2.0))


def added(store, name="a.wav", size=1000, **values):
    job = store.new(name, "drums", ["drums"], 16)
    store.song(job).write_bytes(bytes(size))
    store.add(job)
    store.change(job, **values)
    return job


def test_jobs_survive_and_what_ran_waits_again(store):
    done = added(store, state="done", ended=5.0, result={"null_db": -90.0})
    running = added(store, "b.mp3", state="running", progress=0.5)
    (store.path(running) / "drums.flac").write_bytes(b"half")
    again = JobStore(store.folder, store.limits)
    assert list(again.jobs) == [done.id, running.id]
    assert again.jobs[done.id].result == {"null_db": -90.0}
    assert (again.jobs[running.id].state, again.jobs[running.id].progress) == ("queued", 0.0)
    assert again.next().id == running.id
    assert {path.name for path in store.path(running).iterdir()} == {"job.json", "song.mp3"}


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"id": 3}'])
def test_damaged_records_are_no_jobs(store, damage):
    kept, broken = added(store), added(store)
    (store.path(broken) / "job.json").write_text(damage)
    again = JobStore(store.folder, store.limits)
    assert list(again.jobs) == [kept.id] and not store.path(broken).exists()


def test_a_record_that_names_another_folder_is_no_job(store):
    job = added(store)
    values = json.loads((store.path(job) / "job.json").read_text())
    (store.path(job) / "job.json").write_text(json.dumps(values | {"id": "../../etc"}))
    assert not JobStore(store.folder, store.limits).jobs


def test_other_folders_are_left_alone(store):
    (store.folder / "my stems").mkdir()
    (store.folder / "my stems" / "drums.wav").write_bytes(b"mine")
    JobStore(store.folder, store.limits)
    assert (store.folder / "my stems" / "drums.wav").read_bytes() == b"mine"


def test_the_old_and_the_oldest_beyond_the_disk_go(store):
    old = added(store, state="done", ended=0.0)
    first = added(store, size=3000, state="done", ended=2.5 * DAY)
    second = added(store, size=3000, state="failed", ended=2.6 * DAY)
    waiting = added(store, size=2000)
    assert store.clean(now=3 * DAY) == [old]
    assert store.clean(needed=4000, now=3 * DAY) == [first]
    assert store.clean(needed=9999, now=3 * DAY) == [second]
    assert list(store.jobs) == [waiting.id] and store.song(waiting).exists()


@pytest.mark.parametrize(
    ("given", "shown", "file"),
    [
        ("song.mp3", "song.mp3", "song.mp3"),
        ("../../etc/passwd", "passwd", "song"),
        ("C:\\Music\\a b.FLAC", "a b.FLAC", "song.flac"),
        ("x\n\x1b[31m.wav", "x\\n\\x1b[31m.wav", "song.wav"),
        ("a.wav/", "a.wav", "song.wav"),
        ("a.exe", "a.exe", "song"),
        ("<img src=x onerror=alert(1)>.ogg", "<img src=x onerror=alert(1)>.ogg", "song.ogg"),
        ("///", "song", "song"),
        ("n" * 300 + ".wav", "n" * 196 + ".wav", "song.wav"),
    ],
)
def test_no_name_of_a_client_is_part_of_a_path(store, given, shown, file):
    assert shown_name(given) == shown
    job = store.new(given, "drums", ["drums"], 16)
    assert store.song(job) == store.folder / job.id / file


def test_a_job_needs_no_more_than_its_facts():
    assert Job("a", "b", "c", ["d"]).state == "queued"
