import json

import pytest
import torch

from kontrast import blueprints, methods
from kontrast.checkpoints import fingerprint
from kontrast.datasets import Digits, FashionMNIST
from kontrast.experiment import Experiment
from kontrast.objectives import InfoNCE
from kontrast.similarities import Lp
from kontrast.spaces import Box, Sphere
from kontrast.teachers import Shared

from small import digits, latents

EVERY = methods.known().values()


@pytest.mark.parametrize("method", EVERY, ids=lambda method: method.name)
def test_an_experiment_survives_json(method):
    made = method()
    flat = json.loads(json.dumps(blueprints.values(made)))
    assert blueprints.read(flat) == made
    assert flat["method"] == method.name


def test_parts_given_as_values_survive_json():
    made = methods.simclr(objective=InfoNCE(similarity=Lp(p=3.0), temperature=2.0), data=Digits())
    assert blueprints.read(json.loads(json.dumps(blueprints.values(made)))) == made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objective": "os:system"}, "no objective named 'os:system'"),
        ({"data": "builtins.eval"}, "no dataset named"),
        ({"surprise": 1}, "knows no field 'surprise'"),
        ({"objective.__class__": "x"}, "knows no field"),
        ({"batch": "many"}, "batch"),
    ],
)
def test_a_configuration_file_cannot_name_code_or_unknown_fields(change, said):
    with pytest.raises(ValueError, match=said):
        blueprints.read({**blueprints.values(digits()), **change})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["space=Box"], "write space=Sphere"),
        (["objective.similarity=Euclidian"], "did you mean 'Euclidean'"),
        (["objectiv.temperature=1"], "did you mean 'objective.temperature'"),
        (["batsh=3"], "did you mean 'batch'"),
        (["data=Digits", "data.root=x"], "no field named 'data.root'"),
        (["objective=CrossEntropy"], "space=Euclidean"),
        (["objective=CrossEntropy", "space=Euclidean"], "teacher=Labels pairing=Labeled"),
        (["teacher=Labels"], "do not fit together"),
        (["pairing=Conditional"], "does not know its latents"),
        (["data=Mixing"], "vectors, which cannot be augmented"),
        (["data=Mixing", "pairing=Labeled"], "no labels"),
        (["batch=1"], "at least two things"),
        (["batch=x"], "batch=x cannot be read as int"),
        (["epochs=1", "steps=5"], "either as epochs or as steps"),
        (["epochs=-1"], "positive length"),
        (["precision=float8"], "precision=float8 cannot be read"),
        (["seed"], "field=value"),
        (["optimizer.rate=0"], "rate must be positive"),
        (["schedule.warmup=2"], "share of the run"),
        (["objective.similarity=Lp", "objective.similarity.p=-1"], "exponent of Lp"),
    ],
)
def test_what_means_nothing_is_one_sentence_that_says_what_to_write(words, said):
    with pytest.raises(ValueError, match=said) as caught:
        methods.simclr.read(words)
    assert "\n" not in str(caught.value)


def test_a_cosine_pairing_needs_latents_on_a_sphere():
    with pytest.raises(ValueError, match=r"pairing\.similarity=Lp"):
        methods.inversion.read(["data.space=Box"])


def test_the_theory_of_a_box_is_one_line():
    words = ["space=Box", "data.space=Box", "pairing.similarity=Lp", "objective.similarity=Lp", "...similarity.p=1"]
    made = methods.inversion.read(words)
    assert made.pairing.similarity == made.objective.similarity == Lp(p=1.0)
    assert made.space == made.data.space == Box()


def test_choosing_another_part_takes_back_the_options_of_the_old_one():
    made = methods.simclr.read(["encoder=Conv", "data=Digits"])
    assert type(made.encoder).__name__ == "Conv"
    assert methods.simclr.read(["steps=7"]).epochs is None
    assert methods.inversion.read(["data=Digits", "pairing=Augmented", "encoder=Conv", "epochs=2"]).steps is None


@pytest.mark.parametrize(
    "words", [[], ["seed=3", "objective.temperature=0.25"], ["encoder=Conv", "encoder.width=8", "steps=9"]]
)
def test_the_words_of_an_experiment_give_it_again(words):
    made = methods.simclr.read(words)
    again = methods.words(made)
    assert again[0] == "simclr"
    assert methods.simclr.read(again[1:]) == made


def test_a_part_of_another_family_is_refused_in_python():
    with pytest.raises(ValueError, match="space"):
        methods.simclr(space=Lp())
    with pytest.raises(ValueError, match="no field named"):
        methods.simclr(temperature=3)


def test_unknown_methods_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'simclr'"):
        methods.get("SimCLR")


def test_the_same_experiment_builds_the_same_network_whatever_the_global_state():
    torch.manual_seed(0)
    one = digits().model()
    before = torch.get_rng_state()
    two = digits().model()
    assert torch.equal(torch.get_rng_state(), before)
    assert fingerprint(one.state_dict()) == fingerprint(two.state_dict())
    assert fingerprint(digits(seed=1).model().state_dict()) != fingerprint(one.state_dict())


def test_the_embedding_has_the_dimension_the_data_call_for():
    assert latents().dim == 3
    assert methods.supervised(data=Digits()).dim == 10
    assert methods.simclr(**{"head.dim": None}).dim == 128
    assert digits().dim == 8


def test_length_counts_whole_batches():
    made = methods.simclr(epochs=2.5, batch=100, data=FashionMNIST())
    assert made.length(1050) == 25
    assert methods.simclr(steps=7).length(None) == 7
    with pytest.raises(ValueError, match="write steps=1000"):
        methods.inversion(epochs=1.0).length(None)


def test_the_default_space_and_similarity_agree():
    made = Experiment(epochs=1.0)
    assert made.space == Sphere()
    assert isinstance(made.objective, InfoNCE)


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=Adam", "optimizer.rate=0.002"],  # the preset's own rate, of another optimizer
        ["head=Linear", "head.dim=128"],
        ["space=Box", "objective.similarity=Lp", "objective.similarity.p=1.5", "data=Digits"],
        ["predictor=Projection", "predictor.hidden=32"],
    ],
)
def test_the_words_hold_where_a_value_equals_that_of_the_preset(words):
    made = methods.simclr.read(words)
    assert methods.simclr.read(methods.words(made)[1:]) == made


def test_a_wildcard_changes_the_parts_that_are_there_and_makes_no_new_ones():
    made = methods.inversion.read(["...dim=3"])
    assert (made.data.dim, made.head.dim, made.predictor) == (3, 3, None)
    assert methods.supervised.read(["data=Digits"]).pairing.recipe is None
    with pytest.raises(ValueError, match="no field ends with 'nowhere'"):
        methods.simclr.read(["...nowhere=1"])
    assert methods.simclr.read(["...blur=None"]).pairing.recipe.blur is None


def test_choosing_the_same_part_again_keeps_its_options():
    made = methods.simclr.read(["encoder=Conv", "encoder.width=8"])
    assert (made.encoder.width, made.encoder.batch_norm) == (8, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predictor=Projection", "predictor.dim=7"], "leave out predictor.dim"),
        (["epochs=inf"], "positive length"),
        (["method=../../evil"], "letters, digits"),
        (["optimizer.rate=inf"], "rate must be positive"),
        (["optimizer.weight_decay=nan"], "weight decay"),
        (["optimizer.betas=0.9,1.5"], "lies in"),
        (["data..x=3"], "field=value"),
    ],
)
def test_numbers_and_names_that_cannot_be_are_refused(words, said):
    with pytest.raises(ValueError, match=said):
        methods.simclr.read(words)


def test_a_head_must_give_as_many_outputs_as_there_are_answers():
    with pytest.raises(ValueError, match=r"5 outputs where there are 10 answers"):
        methods.supervised.read(["head.dim=5"])


def test_what_would_collapse_is_refused():
    for name in ("byol", "simsiam"):
        with pytest.raises(ValueError, match="make all embeddings one"):
            methods.get(name).read(["predictor=None", "predictor_schedule=None"])
    with pytest.raises(ValueError, match="write teacher=StopGradient"):
        methods.byol(teacher=Shared())


def test_a_seed_is_not_negative():
    with pytest.raises(ValueError, match="write seed=0"):
        methods.simclr(seed=-1)
