"""The pages about other programs: their commands and words are understood, name every option, and train."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from pages import blocks, inline, understood

from kontrast import methods
from kontrast.cli import main
from kontrast.experiment import Experiment
from kontrast.methods.published import SETTINGS
from kontrast.objectives import InfoNCE
from kontrast.questions import asked, whereabouts
from kontrast.selfcheck.vectors import A, B
from kontrast.similarities import Cosine, Dot, Euclidean, Mahalanobis
from kontrast.spaces import Sphere
from kontrast.views import Views
from kontrast.words import split_words

FOLDER = Path(__file__).parents[1] / "docs" / "sources"
PAGES = sorted(path.name for path in FOLDER.glob("*.md"))
SYSTEMS = [page for page in PAGES if page != "index.md"]
HOW = {"out", "resume", "device", "place", "track", "save_seconds", "threads", "checkpoint"}
"""Words of `train` and `probe` that are no fields of an experiment or a probe."""
MARKED = re.compile(r"<!-- (words after|asked): ([^>]+) -->\n((?:\|.*\n)+)")

OPTIONS = {
    "simclr-ablations.md": """
        similarity_measure use_color_distort use_crop use_flip use_salt_and_pepper use_brightness use_random_invert
        use_standardize learning_rate warmup_epochs weight_decay batch_norm_decay train_batch_size train_split
        train_epochs train_steps eval_batch_size train_summary_steps checkpoint_epochs checkpoint_steps eval_split
        dataset cache_dataset mode train_mode checkpoint variable_schema zero_init_logits_layer fine_tune_after_block
        master model_dir data_dir use_tpu tpu_name tpu_zone gcp_project optimizer momentum eval_name
        keep_checkpoint_max keep_hub_module_max temperature hidden_norm head_proj_mode head_proj_dim num_nlh_layers
        global_bn width_multiplier resnet_depth image_size color_jitter_strength use_blur
    """,
    "probabilistic-simclr.md": """
        n_epoch accum_steps save_every batch_size dataset path_for_saving resume_training_path encoder_model temp
        modified_loss new_loss save_ckpt
    """,
    "solo-learn.md": """
        method optimizer lars scheduler lr_decay_steps no_lr_scheduler_for_pred_head epochs batch_size lr classifier_lr
        weight_decay zero_init_residual encoding_size hidden_mlp resume_training_from num_workers gpus precision
        data_folder train_dir val_dir multicrop n_crops n_small_crops brightness contrast saturation hue dali
        last_batch_fill temperature supervised lamb pred_hidden_mlp name project pretrained_feature_extractor
    """,
    "learning-latents.md": """
        use_tpu tpu_address master learning_rate l2_penalty train_batch_size train_steps_per_loop total_steps data_dir
        img_size num_channels pretrained_model_path eval_split eval_batch_size eval_frequency seed
    """,
    "cl-ica.md": """
        mode supervised-loss batch-size n-eval-samples lr optimizer iterations n-log-steps save-model save-every
        load-model no-cuda workers encoder faiss-omp-threads approximate-dataset-nn-search offline-dataset
        position-only rotation-and-color-only rotation-only color-only no-spotlight-position no-spotlight-color
        no-spotlight non-periodic-rotation-and-color dummy-mixing identity-solution identity-mixing-and-solution
        box-constraint sphere-constraint unsupervised-loss non-periodical-conditional sigma box-norm p
        kitti-max-delta-t z-dim max-iter beta1 beta2 seed dataset image-size evaluate specify random-seeds num_runs
        random-search experiment-dir output-dir ckpt-dir log-dir ckpt-name log-step save-step use-writer verbose cuda
        num-workers beta gamma rate-prior rate-data data-distribution data-k betavae search-beta natural-discrete
    """,
}


class Row(NamedTuple):
    """A row of a table, and what its words come after."""

    page: str
    kind: str
    after: str
    words: tuple[str, ...]
    remark: str


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]


def rows():
    found = []
    for page in SYSTEMS:
        for kind, after, table in MARKED.findall((FOLDER / page).read_text()):
            heading, _, *lines = table.splitlines()
            at = cells(heading).index("here")
            for line in lines:
                spans = tuple(re.findall(r"`([^`]+)`", cells(line)[at]))
                found.append(Row(page, kind, after, spans, cells(line)[at + 1]))
    return found


SAID = [(row.kind, row.after, span) for row in rows() for span in row.words if not span.startswith("kontrast ")]


def fields(text):
    """The field=value words of a text that are not about where and how."""
    return [word for word in shlex.split(text) if word.partition("=")[0] not in HOW]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_understood(page):
    name = f"docs/sources/{page}"
    found = [words for block in blocks(name) for words in block.commands] + inline(name)
    assert len(found) >= 8
    for words in found:
        understood(words)


@pytest.mark.parametrize("said", SAID, ids=lambda said: f"{said[1].split()[0]} {said[2]}"[:90])
def test_what_stands_for_an_option_can_be_written(said):
    kind, after, text = said
    words = fields(text)
    assert "=" in text and all("=" in word for word in words), text
    base, *given = after.split()
    if kind == "asked":
        options = dict(split_words(words)[1])
        whereabouts(options)
        assert asked([base], options, None)
    else:
        # A field of folders of classes is not there to read; all else is.
        made = methods.get(base).read([*given, *(word for word in words if not word.endswith("FOLDER"))])
        assert isinstance(made, Experiment)


@pytest.mark.parametrize("page", SYSTEMS)
def test_every_option_of_the_program_has_its_row(page):
    text = (FOLDER / page).read_text()
    left = "\n".join(cells(line)[1] for line in text.splitlines() if line.startswith("|"))
    assert not {*OPTIONS[page].split()} - {*re.findall(r"--([a-z]\w*(?:[-_]\w+)*)", left)}


def test_a_row_without_words_says_why():
    bare = [row for row in rows() if not row.words]
    assert bare and all(len(row.remark) > 10 for row in bare if row.after != "cl_ica_kitti")


def test_a_word_that_is_not_there_is_noticed():
    with pytest.raises(ValueError, match="did you mean"):
        test_what_stands_for_an_option_can_be_written(("words after", "simclr-cifar10-ablation", "encoder.dept=18"))
    with pytest.raises(ValueError, match="did you mean"):
        test_what_stands_for_an_option_can_be_written(("asked", "LinearSGD", "LinearSGD.rate=1"))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page):
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", (FOLDER / page).read_text()):
        path = FOLDER / (target or page)
        assert path.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in slugs, heading


def test_the_first_page_names_every_other_and_every_setting_of_the_sources():
    text = (FOLDER / "index.md").read_text()
    assert {f"({page})" for page in SYSTEMS} <= set(re.findall(r"\([\w-]+\.md\)", text))
    whole = "".join((FOLDER / page).read_text() for page in PAGES)
    ours = ("jaeeun-n/simclr-ablations", "sylviesss/pytorch-simclr, pretrain.py", "vturrisi/solo-learn at d4008e9")
    for name, setting in SETTINGS.items():
        if setting.source.startswith(ours):
            assert f"kontrast train {name} " in whole, name


@pytest.mark.parametrize("page", SYSTEMS)
def test_every_page_says_what_was_published_what_was_measured_and_what_was_not(page):
    text = (FOLDER / page).read_text()
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    for title in ("Its commands", "Published", "Measured", "Why they may differ", "What is not taken over"):
        assert title in titles
    assert "not run" in re.findall(r"<!-- measured -->\n(.*?)<!-- /measured -->", text, re.DOTALL)[0]


# The loss of simclr-ablations is the sum over both directions, at a temperature of .5.
NORMED = {"Cosine": 2.610320, "Euclidean": 3.215045, "Mahalanobis": 3.063210}
FREE = {"Dot": 3.020159, "Euclidean": 3.307615, "Mahalanobis": 2.976589}
SIMILARITIES = {
    "Cosine": Cosine(),
    "Dot": Dot(),
    "Euclidean": Euclidean(shape="inverse"),
    "Mahalanobis": Mahalanobis(),
}


@pytest.mark.parametrize(("normed", "values"), [(True, NORMED), (False, FREE)])
def test_similarities_with_and_without_the_norm_give_the_losses_of_the_source(normed, values):
    pair = tuple(Sphere().project(z) for z in (A, B)) if normed else (A, B)
    for name, expected in values.items():
        objective = InfoNCE(similarity=SIMILARITIES[name], temperature=0.5)
        loss = objective.agree(pair, pair, Views(pair, torch.arange(len(A))))
        assert 2 * loss.total.item() == pytest.approx(expected, abs=1e-6), name


DIGITS = "data=Digits encoder.width=4 encoder.depth=18 head.hidden=16 head.dim=8 batch=32 steps=2"
UNCERTAIN = """limit=40 Uncertainty.resamples=2 Uncertainty.crop=0.5 Uncertainty.blur=1 Uncertainty.noise=0.1
    Uncertainty.bald.samples=2 Uncertainty.expected.samples=2 Uncertainty.dropout.samples=2"""
SMOKE = {
    "simclr-ablations.md": {"train": DIGITS, "probe": "FineTune.epochs=0.05"},
    "probabilistic-simclr.md": {"train": f"{DIGITS} micro=16", "probe": UNCERTAIN},
    "solo-learn.md": {
        "train": f"{DIGITS} pairing.recipe.crop.size=16 precision=float32",
        "probe": "LinearSGD.epochs=0.2",
    },
    "learning-latents.md": {
        "train": "encoder.width=4 head.hidden=16 batch=16 steps=2 data.size=16 data.shapes=square",
        "probe": "limit=300",
    },
    "cl-ica.md": {
        "lab": "steps=2 supervised_steps=2 batch=64 limit=100 seeds=0 data.dim=3 data.layers=0",
        "train": "data=Masks data.sequences=20 data.test=0.5 steps=2 encoder.width=4",
        "probe": "limit=200",
    },
}
"""What makes the commands that the pages mark as not run small enough to run them, a step or two each."""


def small(words, changes):
    """A command with other values for some of its fields; options of probes that it does not ask for are left out."""
    given = dict(word.split("=", 1) for word in shlex.split(changes))
    if words[0] == "probe":
        given = {f: v for f, v in given.items() if "." not in f or f.partition(".")[0] in words}
    gone = {*given, "data.root"} if "data" in given else {*given}
    return [*(word for word in words if word.partition("=")[0] not in gone), *(f"{f}={v}" for f, v in given.items())]


@pytest.mark.parametrize("page", SYSTEMS)
def test_the_main_commands_run_at_a_smoke_budget(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = next(block for block in blocks(f"docs/sources/{page}") if block.reason)
    every = [words for words in block.commands if words[0] != "report"]
    assert {words[0] for words in every} == {*SMOKE[page]}
    for words in every:
        command = small(words, SMOKE[page][words[0]])
        assert main(command) == 0, command
    assert list(tmp_path.rglob("scores.json")) or list(tmp_path.rglob("lab.json"))
