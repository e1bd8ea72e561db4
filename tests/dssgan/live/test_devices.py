"""A sound device: exact delay, silence for what is late, no drift, and one that vanishes."""

from types import SimpleNamespace

import numpy as np
import pytest

from dssgan.live import devices


class PortAudioError(Exception):
    """As the library raises it."""


class Library:
    """Stands for the module sounddevice: `play` is what its clock does."""

    PortAudioError = PortAudioError

    def __init__(self, fault=None):
        self.fault, self.out = fault, []

    def Stream(self, callback, finished_callback, **settings):
        if self.fault:
            raise PortAudioError(self.fault)
        self.callback, self.finished, self.settings = callback, finished_callback, settings
        return SimpleNamespace(start=lambda: None, close=finished_callback)

    def play(self, block):
        out = np.full_like(block, np.nan)
        self.callback(block, out, len(block), None, None)
        self.out.append(out)


def signal(samples):
    return np.arange(1, samples + 1, dtype=np.float32)[:, None] / samples


def test_an_impulse_goes_out_a_fixed_time_after_it_came_in():
    library = Library()
    with devices.Duplex(library, 48000, 1, delay=1000) as device:
        heard = device.blocks()
        sound = np.zeros((5120, 1), np.float32)
        sound[777] = 1
        for block in np.split(sound, 10):
            library.play(block)
            device.write(next(heard))
    out = np.concatenate(library.out)[:, 0]
    assert np.flatnonzero(out).tolist() == [777 + 1000] and device.missed == 0
    assert library.settings["samplerate"] == 48000 and library.settings["device"] == (None, None)


def test_what_is_late_is_silence_and_nothing_drifts():
    library = Library()
    with devices.Duplex(library, 48000, 1, delay=100) as device:
        heard, sound = device.blocks(), signal(1000)
        blocks = np.split(sound, 10)
        for place, block in enumerate(blocks):
            library.play(block)
            if place == 4:
                continue  # computing takes too long: two blocks at once, later
            device.write(next(heard))
            if place == 5:
                device.write(next(heard))
    out = np.concatenate(library.out)
    expected = np.concatenate([np.zeros((100, 1), np.float32), sound[:900]])
    expected[500:600] = 0
    np.testing.assert_array_equal(out, expected)
    assert device.missed == 100


def test_a_device_that_vanishes_is_told(monkeypatch):
    library = Library()
    device = devices.Duplex(library, 48000, 2, delay=100)
    library.play(np.zeros((64, 2), np.float32))
    library.finished()
    heard = device.blocks()
    assert next(heard).shape == (64, 2)
    with pytest.raises(OSError, match="the sound device has gone"):
        next(heard)
    monkeypatch.setattr(devices, "PATIENCE", 0.01)
    with pytest.raises(OSError, match="has gone"):
        next(devices.Duplex(Library(), 48000, 2, delay=100).blocks())


def test_a_device_that_is_not_there_is_told():
    with pytest.raises(ValueError, match="sound device: No such device; see --list-devices"):
        devices.Duplex(Library("No such\n device"), 48000, 2, 100)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sounddevice", None)
    with pytest.raises(ValueError, match=r"pip install sounddevice .*libportaudio2"):
        devices.library()
