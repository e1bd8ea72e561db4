"""Several separators as one: sources, consistency, what does not fit, the command."""

import json

import numpy as np
import pytest

from common import cli
from dssgan import combine as command
from dssgan.models import build, export
from dssgan.models.combined import combine
from dssgan.separator import Separator
from tests.dssgan.models.test_conformance import BANDSPLIT, QUICK


def bandsplit(source, **sizes):
    return build("bandsplit", **BANDSPLIT | {"sources": [source, "accompaniment"]} | sizes)


def test_every_source_comes_from_its_own_model(rng):
    members = [bandsplit(source) for source in ("drums", "vocals")]
    model = combine([(member, None) for member in members])
    assert model.sources == ("drums", "vocals", "accompaniment")
    assert (model.multiple, model.channels_apart, model.maximum) == (64, True, 0)
    mixture = rng.standard_normal((2, 1280, 2)).astype(np.float32)
    estimates = model(mixture).numpy()
    for place, member in enumerate(members):
        np.testing.assert_allclose(estimates[:, place], member(mixture)[:, 0], atol=1e-6)
    np.testing.assert_allclose(estimates.sum(1), mixture, atol=1e-5)
    inferred = model.infer(mixture, model.inference_state())
    np.testing.assert_allclose(inferred, estimates, atol=1e-6)


def test_four_models_share_out_the_mixture(rng, tmp_path):
    names = ("vocals", "drums", "bass", "other")
    model = combine([(bandsplit(source), None) for source in names])
    assert model.sources == names
    Separator(model).save(tmp_path / "all")
    separator = Separator.load(tmp_path / "all", segment=1.0)
    assert separator.complete and separator.consistent
    for ours, theirs in zip(separator.model.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    song = rng.standard_normal((20000, 2)).astype(np.float32)
    stems = separator.separate(song, 8000)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-4)
    raw = Separator(model, segment=1.0, consistent=False).separate(song, 8000)
    left = (song - sum(raw.values())) / 4
    np.testing.assert_allclose(stems["bass"], raw["bass"] + left, atol=1e-4)


def test_chunks_begin_where_the_fragments_of_every_member_do():
    sizes = QUICK["wavenet"] | {"exact_original": True}
    model = combine(
        [
            (build("wavenet", **sizes, target_field=field), [source])
            for source, field in (("vocals", 21), ("bass", 35))
        ]
    )
    assert model.grid == 105
    assert Separator(model, segment=1.0).hop % 105 == 0


def test_systems_and_sources_may_be_mixed(rng):
    wavenet = build("wavenet", **QUICK["wavenet"])
    rate = wavenet.sample_rate
    model = combine([(wavenet, ["bass"]), (bandsplit("drums", sample_rate=rate), None)])
    assert model.sources == ("bass", "drums", "accompaniment")
    samples = -(-max(model.minimum, 1000) // model.multiple) * model.multiple
    mixture = 0.1 * rng.standard_normal((1, samples, 1)).astype(np.float32)
    place = wavenet.sources.index("bass")
    np.testing.assert_allclose(model(mixture)[:, 0], wavenet(mixture)[:, place], atol=1e-5)


def test_a_member_of_fixed_length_decides(rng):
    fixed = bandsplit("drums", variant="amanteur", frames=21)
    model = combine([(fixed, None), (bandsplit("bass"), None)])
    assert (model.minimum, model.maximum, model.multiple) == (1280, 1280, 1280)
    assert Separator(model).segment == 1280 and not model.channels_apart
    assert model(rng.standard_normal((1, 1280, 2)).astype(np.float32)).shape == (1, 3, 1280, 2)
    with pytest.raises(ValueError, match="1280 samples at most"):
        combine([(fixed, None), (bandsplit("bass", variant="amanteur", frames=31), None)])


def test_precision_reaches_the_members_that_have_one():
    model = combine([(bandsplit("drums"), None), (bandsplit("bass"), None)])
    half = export.with_precision(model, "bfloat16")
    assert [member.hyperparameters["precision"] for member in half.members] == ["bfloat16"] * 2
    for ours, theirs in zip(half.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"source": "bass", "sample_rate": 16000}, "sample_rate 8000, model 1 .bass. 16000"),
        ({"source": "drums"}, "'drums' is taken from two models"),
    ],
)
def test_models_that_do_not_fit_together(second, words):
    with pytest.raises(ValueError, match=words) as caught:
        combine([(bandsplit("drums"), None), (bandsplit(**second), None)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": []}, "models is empty"),
        ({"models": [{"name": "bandsplit"}]}, "expected name, hyperparameters and take"),
        ({"sources": ["drums", "flute"]}, "'flute': expected each once"),
        ({"sources": ["accompaniment"]}, "'drums' is taken, but none of the sources"),
    ],
)
def test_descriptions_that_make_no_sense(change, words):
    member = {"name": "bandsplit", "hyperparameters": BANDSPLIT | {"sources": ["drums"]}}
    given = {"models": [member | {"take": ["drums"]}]} | change
    with pytest.raises(ValueError, match=words):
        build("combined", **given)
    with pytest.raises(ValueError, match="'bass' cannot be taken from bandsplit, which has drums"):
        build("combined", models=[member | {"take": ["bass"]}])


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.run(command.main, [str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return ended.value.code, out, error


def test_the_command(tmp_path, capsys):
    for source in ("drums", "bass"):
        export.save(bandsplit(source), tmp_path / source)
    code, text, _ = run(capsys, tmp_path / "out", tmp_path / "drums", f"bass={tmp_path / 'bass'}")
    assert code == 0
    assert text.startswith(f"{tmp_path / 'out'}: drums, bass, accompaniment, ")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["provenance"] == {"combined_from": ["drums", "bass"]}
    assert [member["take"] for member in config["hyperparameters"]["models"]] == [
        ["drums"],
        ["bass"],
    ]
    assert Separator.load(tmp_path / "out").sources == ("drums", "bass", "accompaniment")
    code, _, error = run(capsys, tmp_path / "x", f"flute={tmp_path / 'drums'}")
    assert code == 1 and error == (
        "error: combined: 'flute' cannot be taken from bandsplit, which has drums, accompaniment\n"
    )
    code, _, error = run(capsys, tmp_path / "x", tmp_path / "nowhere")
    assert code == 2 and "no such folder" in error
    assert not (tmp_path / "x").exists()
