"""From words on the command line to a configuration and a run folder."""

import pytest
import yaml

from common.cli import UsageError
from common.files import ROOT
from dssgan.config.mappings import to_dict
from dssgan.config.schema import from_dict
from experiments.run.configuration import configure
from experiments.run.folder import RECORD, run_folder, write_record
from experiments.run.yaml_files import RECIPES, dump, literal, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("abc", "abc"),
        ("true", True),
        ("None", None),
        ("null", None),
        ("none", "none"),
        ("", ""),
        ("[supervised, test]", ["supervised", "test"]),
        ("['a', 'b']", ["a", "b"]),
        ("{songs: 3, seconds: 1e1}", {"songs": 3, "seconds": 10.0}),
        ("../shared/a b", "../shared/a b"),
    ],
)
def test_values_from_the_command_line(text, value):
    found = literal(text)
    assert found == value
    assert type(found) is type(value)


def test_nothing_is_the_demo_and_other_data_the_published_recipe():
    demo, resume, origin = configure([])
    assert origin.endswith("demo.yaml")
    assert resume is None
    assert demo.data.name == "band"
    assert demo.model.hyperparameters["width"] < 440
    assert configure(["seed=7"])[0].model == demo.model
    published, _, origin = configure(["data.name=musdb18", "data.root=songs"])
    assert origin == "the defaults"
    assert published == from_dict({"data": {"name": "musdb18", "root": "songs"}})


def test_later_words_beat_earlier_ones(tmp_path):
    (tmp_path / "mine.yaml").write_text("seed: 1\nschedule: {learning_rate: 1e-4, warmup: 5}\n")
    words = ["seed=2", str(tmp_path / "mine.yaml"), "schedule.warmup=6"]
    config, _, origin = configure(words)
    assert origin == str(tmp_path / "mine.yaml")
    assert (config.seed, config.schedule.learning_rate, config.schedule.warmup) == (1, 1e-4, 6)


def test_the_recipes_are_valid_and_the_paper_is_exact():
    for path in RECIPES.glob("*.yaml"):
        assert path.read_text("utf-8").startswith("# "), "the header states command, time, score"
        from_dict(read_yaml(path))
    paper = from_dict(read_yaml(RECIPES / "meta_tasnet_musdb18.yaml"))
    default = from_dict({})
    for section in ("optimiser", "schedule", "supervised", "validation"):
        assert getattr(paper, section) == getattr(default, section), section
    assert paper.data.augmentation == default.data.augmentation
    assert (paper.data.batch, paper.data.seconds, paper.data.channels) == (12, 8.0, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml: no such configuration (in experiments/recipes/: "),
        (["seed"], "expected name=value after 'with'"),
        (["seed=x"], "seed='x': expected a whole number"),
        (["data.augmentation.gian=3"], "did you mean data.augmentation.gain?"),
        (["phases=[a"], "not a list or section"),
        (["resume=/nowhere"], "no run in it"),
    ],
)
def test_misuse_is_told_in_one_line(words, message):
    with pytest.raises(UsageError) as caught:
        configure(words)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\x00"])
def test_broken_files_are_told(tmp_path, text):
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"broken\.yaml"):
        configure([str(tmp_path / "broken.yaml")])


def test_a_configuration_is_dumped_so_that_it_can_be_read_again(tmp_path):
    config, _, _ = configure(["schedule.learning_rate=1e-5", "name='7'", "data.valid=[a, b]"])
    (tmp_path / "again.yaml").write_text(dump(config))
    assert configure([str(tmp_path / "again.yaml")])[0] == config


def begun(words, learnt=True):
    """The folder of a run that wrote down its configuration and perhaps saved a checkpoint."""
    config, resume, origin = configure(words)
    folder = run_folder(config, resume, origin)
    write_record(folder, config)
    if learnt:
        (folder / "checkpoints" / "supervised").mkdir(parents=True, exist_ok=True)
        (folder / "checkpoints" / "supervised" / "last.npz").touch()
    return folder


def test_runs_without_a_name_get_the_next_number(tmp_path):
    words = [f"tracking.folder={tmp_path}"]
    folders = [run_folder(*configure(words)) for _ in range(2)]
    assert [folder.name for folder in folders] == ["demo-1", "demo-2"]


def test_a_named_run_is_taken_up_unless_it_was_another(tmp_path):
    words = [f"tracking.folder={tmp_path}", "name=mine"]
    folder = begun(words)
    assert folder == tmp_path / "mine"
    assert begun([*words, "tracking.every=3"]) == folder
    with pytest.raises(UsageError, match="begun with seed=42, not 3 and 1 more"):
        begun([*words, "optimiser.clip=1", "seed=3"])
    changed, _, _ = configure([f"resume={folder}", "optimiser.clip=1"])
    assert changed.optimiser.clip == 1.0
    assert begun([f"resume={folder}", "optimiser.clip=1"]) == folder
    assert configure([f"resume={folder}"])[0] == changed


def test_a_run_that_learnt_nothing_yet_may_be_corrected(tmp_path):
    words = [f"tracking.folder={tmp_path}", "name=mine"]
    begun([*words, "seed=3"], learnt=False)
    assert read_yaml(begun(words, learnt=False) / RECORD)["seed"] == 42


@pytest.mark.parametrize("change", ["model.width=24", "sources=[drums, accompaniment]"])
def test_another_architecture_is_not_resumed_and_the_record_stays(tmp_path, change):
    folder = begun([f"tracking.folder={tmp_path}", "name=mine", "sources=[drums, bass]"])
    before = (folder / RECORD).read_bytes()
    key = change.partition("=")[0]
    with pytest.raises(
        UsageError, match=rf"mine: its checkpoints have {key}=.*: an architecture stays"
    ):
        begun([f"resume={folder}", change])
    assert (folder / RECORD).read_bytes() == before
    assert begun([f"resume={folder}", "model.precision=bfloat16"]) == folder


def test_passwords_are_not_written_down(tmp_path):
    words = [f"tracking.folder={tmp_path}", "tracking.mongo=mongodb://me:secret@host/db"]
    config, resume, origin = configure(words)
    assert config.tracking.mongo == "mongodb://me:secret@host/db"
    folder = run_folder(config, resume, origin)
    write_record(folder, config)
    text = (folder / RECORD).read_text()
    assert "secret" not in text
    assert yaml.safe_load(text)["tracking"]["mongo"] == "mongodb://***@host/db"
    assert set(to_dict(config)) == set(yaml.safe_load(text))


def test_a_recipe_has_a_bare_name_and_a_path_still_works(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    by_name, _, origin = configure(["drums_small", "seed=2"])
    by_path, _, _ = configure(["experiments/recipes/drums_small.yaml", "seed=2"])
    assert by_name == by_path
    assert by_name.seed == 2
    assert origin == "experiments/recipes/drums_small.yaml"
    for word, message in (
        (
            "experiments/drums_small.yaml",
            "recipes are in experiments/recipes now: with drums_small",
        ),
        (
            "drums_smal",
            r"expected name=value after .with., or the .* recipe; did you mean .?drums_small",
        ),
        (
            "experiments/nothing.yaml",
            r"no such configuration \(in experiments/recipes/: adapt, bandsplit_drums, ",
        ),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            configure([word])
        assert "\n" not in str(caught.value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()  # as `make demo` leaves it
    assert configure(["demo"])[0].model.name == "multistage"


def test_home_folders_are_expanded_wherever_a_path_is_given(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text(
        "name: x\ndata: {cache: ~/cache}\nunpaired: {mixtures: [{name: recordings, root: ~/m}]}\n"
    )
    config, _, _ = configure(["~/mine.yaml", "data.root=~/songs", "tracking.folder=~/runs"])
    assert config.data.root == f"{tmp_path}/songs" and config.data.cache == f"{tmp_path}/cache"
    assert config.unpaired.mixtures[0].root == f"{tmp_path}/m"
    folder = run_folder(config, None, "x.yaml")
    assert folder == tmp_path / "runs" / "x"
    write_record(folder, config)
    again, resume, _ = configure(["resume=~/runs/x"])
    assert resume == folder and again == config
