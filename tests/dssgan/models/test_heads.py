"""Separators of other sources: what is taken over, what is new, for every system."""

import numpy as np
import pytest

from dssgan.models import SEPARATORS, build
from dssgan.models.heads import new_targets, take_over, variables_of
from tests.dssgan.models.test_conformance import QUICK, length

OTHERS = {"mdx23c": ["kick", "toms", "snare", "hats"]}
EACH_ITS_OWN = ("bandsplit", "bs_roformer", "mel_band_roformer", "openunmix", "unet")


def separators(name):
    """The separator of the conformance test, and one of a further source."""
    first = build(name, **QUICK[name])
    sources = OTHERS.get(name, [first.sources[0], "piano", *first.sources[1:]])
    return first, build(name, **{**QUICK[name], "sources": sources})


@pytest.mark.parametrize("name", sorted(SEPARATORS))
def test_every_separator_says_which_layers_belong_to_its_sources(name):
    model = build(name, **QUICK[name])
    heads = model.heads()
    assert heads and all(heads.values())
    own = {id(variable) for variable in model.variables}
    last = [id(v) for v in variables_of(model.last_layers())]
    assert last and set(last) <= own
    whole = [id(v) for layers in heads.values() for v in variables_of(layers)]
    assert len(set(whole)) == len(whole)
    assert set(last) <= set(whole) <= own
    assert set(last) < own


@pytest.mark.parametrize("name", sorted(set(SEPARATORS) - {"combined"}))
def test_all_but_the_last_layers_are_taken_over(name, rng):
    other, model = separators(name)
    for variable in model.variables:
        variable.assign(rng.standard_normal(variable.shape))
    drawn = {id(v): v.numpy() for v in model.variables}
    new = new_targets(model, other.hyperparameters)
    assert new == (["piano"] if name in EACH_ITS_OWN else [""])
    fresh = {id(v) for target in new for v in variables_of(model.heads()[target])}
    taken = take_over(model, other)
    for variable in model.variables:
        same = np.array_equal(drawn[id(variable)], variable.numpy())
        assert same == (id(variable) in fresh), variable.path
    count = sum(v.numpy().size for v in model.variables)
    assert taken.kept + taken.new == count
    assert taken.new == sum(drawn[key].size for key in fresh)
    assert f"{taken.new:,} new in the last layers ({taken.layers[0]}" in str(taken)
    if name in EACH_ITS_OWN:  # a target of the same name sounds the same
        mixture = rng.standard_normal((1, length(model), 1)).astype(np.float32)
        place = model.sources.index(other.sources[0])
        if name != "openunmix":  # its filter looks at all targets
            np.testing.assert_allclose(model(mixture)[:, place], other(mixture)[:, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["bandsplit", "unet", "scnet"])
def test_the_same_sources_take_over_everything(name):
    other, model = build(name, **QUICK[name]), build(name, **QUICK[name])
    taken = take_over(model, other)
    assert (taken.new, taken.layers) == (0, ())
    for own, given in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(own, given)


def test_targets_in_another_order_keep_their_own_layers():
    sources = ["drums", "bass", "accompaniment"]
    other = build("bs_roformer", **{**QUICK["bs_roformer"], "sources": sources})
    again = [sources[place] for place in (1, 0, 2)]
    model = build("bs_roformer", **{**QUICK["bs_roformer"], "sources": again})
    assert take_over(model, other).layers == ()
    for own, given in zip(model.masks[0].variables, other.masks[1].variables):
        np.testing.assert_array_equal(own, given)


def test_shared_layers_of_other_sources_are_new_though_their_shape_is_the_same():
    first, second = (
        build("scnet", **{**QUICK["scnet"], "sources": sources})
        for sources in (["drums", "bass"], ["drums", "piano"])
    )
    assert new_targets(second, first.hyperparameters) == [""]
    assert take_over(second, first).new > 0
