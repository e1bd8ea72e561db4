"""Plans for a reader of plain files: only stems that are a file each."""

import numpy as np
import pytest

from datasets import audio
from datasets.excerpts.augmentation import Augmentation
from datasets.excerpts.paired import PairedExcerpts
from datasets.excerpts.plan import file_of, files_of
from datasets.excerpts.shape import ExcerptShape
from datasets.song_files.file_track import FileTrack
from datasets.song_files.stem_file import StemFile, StemFiles

PLAIN = Augmentation(gain=(1.0, 1.0), swap=0.0, remix=0.0, normalise="none")


@pytest.fixture
def paths(tmp_path, make_audio):
    for number, name in enumerate("ab"):
        audio.write(tmp_path / f"{name}.wav", make_audio(3000, 2, number), 44100, bits="32f")
    return [str(tmp_path / f"{name}.wav") for name in "ab"]


def song(stem_file):
    return FileTrack("song", "train", {"drums": stem_file}, standard=("drums",))


def test_a_stem_of_one_file_is_planned_as_its_file(paths):
    track = song(StemFile(paths[0]))
    assert file_of(track, "drums").path == paths[0]
    source = PairedExcerpts([track], ExcerptShape(1000, 2, sources=("drums",)), PLAIN)
    assert source.paths() == [paths[0]]
    plan = source.files(0)
    for item, stems in enumerate(source.batch(0)["stems"]):
        assert plan["paths"][item, 0].tolist() == [paths[0].encode()]
        start = plan["starts"][item, 0, 0]
        channel = plan["channels"][item, 0, 0, 0]
        whole = audio.read(paths[0])[0]
        np.testing.assert_array_equal(stems[0, :, 0], whole[start : start + 1000, channel])


@pytest.mark.parametrize("kind", ["sum", "channel"])
def test_a_sum_of_files_and_a_channel_of_one_are_no_plain_files(paths, kind):
    """Planned as a file, the sum a + b was read as a.wav, and one channel as both."""
    files = tuple(map(StemFile, paths))
    track = song(StemFiles(files) if kind == "sum" else StemFile(paths[0], channel=1))
    assert file_of(track, "drums") is None
    assert files_of([track]) is None
    assert PairedExcerpts([track], ExcerptShape(1000, 2, sources=("drums",)), PLAIN).paths() is None
