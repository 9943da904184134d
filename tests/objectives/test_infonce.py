import math

import chz
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from kontrast.draws import generator
from kontrast.objectives import InfoNCE
from kontrast.similarities import Additive, Cosine, Dot, Euclidean, ExpectedLikelihood, LatentClass, Lp, Mahalanobis
from kontrast.views import Views

from golden import LABELS, A, B, C

KEY = torch.arange(6)


def both_ways(objective, key):
    return objective.agree((A, B), (A, B), Views((A, B), key))


@pytest.mark.parametrize(("temperature", "value"), [(0.5, 1.305160), (0.2, 0.927784)])
def test_nt_xent_golden_values(temperature, value):
    loss = both_ways(InfoNCE(temperature=temperature), KEY)
    assert loss.total.item() == pytest.approx(value, abs=5e-7)


def test_accuracy_golden_value():
    assert both_ways(InfoNCE(temperature=0.5), KEY).measures["accuracy"].item() == pytest.approx(11 / 12)


def test_supervised_contrastive_golden_value():
    assert both_ways(InfoNCE(temperature=0.1), LABELS).total.item() == pytest.approx(2.470390, abs=5e-7)


def naive(asked, answers, views, objective):
    """The definition, row by row and pair by pair."""
    score, t, rows = objective.similarity, objective.temperature, []
    for a, x in zip(views.asking, asked, strict=True):
        for i in range(len(x)):
            near, far = [], []
            for b, y in zip(views.answering, answers, strict=True):
                if a == b:
                    continue
                for j in range(len(y)):
                    logit = score(x, y)[i, j] / t
                    same = bool(views.key[i] == views.key[j])
                    if same:
                        near.append(logit)
                    elif objective.candidates != "anchors":
                        far.append(logit)
            if objective.candidates != "cross":
                for j in range(len(x)):
                    logit = score(x, x)[i, j] / t
                    if views.key[i] == views.key[j] and j != i:
                        near.append(logit)
                    elif j != i or objective.own:
                        far.append(logit)
            near, far = torch.stack(near), torch.stack(far)
            if objective.denominator == "all":
                total = torch.cat([near, far]).logsumexp(0)
            elif objective.denominator == "one":
                total = torch.stack([torch.cat([p[None], far]).logsumexp(0) for p in near]).mean()
            else:
                total = far.logsumexp(0)
            rows.append(2 * (1 - objective.alpha) * total - 2 * objective.alpha * near.mean())
    return torch.stack(rows).mean()


FORMS = [
    InfoNCE(temperature=0.7),
    InfoNCE(temperature=0.7, candidates="cross"),
    InfoNCE(temperature=0.7, candidates="anchors"),
    InfoNCE(temperature=0.7, candidates="anchors", own=True),
    InfoNCE(temperature=0.7, own=True, alpha=0.3),
    InfoNCE(temperature=0.7, denominator="one"),
    InfoNCE(temperature=0.7, denominator="negatives", candidates="cross"),
    InfoNCE(temperature=0.7, denominator="negatives", alpha=0.6),
    InfoNCE(temperature=0.7, denominator="one", candidates="anchors", own=True),
]
SIMILARITIES = [
    Cosine(),
    Dot(),
    Euclidean(),
    Euclidean(shape="inverse"),
    Lp(p=1),
    Lp(p=3),
    Lp(p=0.5, shape="norm"),
    Mahalanobis(),
    ExpectedLikelihood(),
    Additive(split=2),
]


def same(ours, theirs, keys, objective, views):
    """Value and gradient of the objective are those of the definition."""
    loss = objective.agree(ours, ours, views).total
    reference = naive(theirs, theirs, views, objective)
    torch.testing.assert_close(loss, reference, rtol=1e-11, atol=1e-11)
    for gradient, other in zip(torch.autograd.grad(loss, ours), torch.autograd.grad(reference, theirs), strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("similarity", SIMILARITIES, ids=repr)
@pytest.mark.parametrize("key", [KEY, LABELS], ids=["index", "label"])
@pytest.mark.parametrize("form", FORMS[:3], ids=lambda form: form.candidates)
def test_every_similarity_in_every_set_of_candidates_equals_the_definition(form, key, similarity):
    ours, theirs = (tuple(z.clone().requires_grad_() for z in (A, B)) for _ in range(2))
    same(ours, theirs, key, chz.replace(form, similarity=similarity), Views((A, B), key))


@pytest.mark.parametrize("form", FORMS, ids=repr)
@pytest.mark.parametrize("key", [KEY, LABELS], ids=["index", "label"])
@pytest.mark.parametrize("count", [2, 3])
def test_every_form_equals_the_definition(form, key, count):
    views = Views((A, B, C)[:count], key, tuple(range(count)), tuple(range(count)))
    ours, theirs = (tuple(z.clone().requires_grad_() for z in views.views) for _ in range(2))
    same(ours, theirs, key, form, views)


@pytest.mark.parametrize("form", FORMS, ids=repr)
@pytest.mark.parametrize("key", [KEY, LABELS], ids=["index", "label"])
def test_answers_of_a_teacher_are_candidates_beside_the_anchors(form, key):
    asked, answers = (A, B), (torch.sin(A), torch.cos(B))
    views = Views((A, B), key)
    torch.testing.assert_close(form.agree(asked, answers, views).total, naive(asked, answers, views, form))
    few = Views((A, B, C), key, asking=(0, 1, 2), answering=(0, 1))
    torch.testing.assert_close(form.agree((A, B, C), answers, few).total, naive((A, B, C), answers, few, form))


def test_source_goldens_of_the_other_similarities():
    """Euclidean and Mahalanobis of the ablation study; its loss is the sum of both directions' means."""
    units = tuple(functional.normalize(z, dim=1) for z in (A, B))
    for similarity, values in (
        (Cosine(), (2.610320, 2.610320)),
        (Euclidean(shape="inverse"), (3.307615, 3.215045)),
        (Mahalanobis(), (2.976589, 3.063210)),
    ):
        objective = InfoNCE(similarity=similarity, temperature=0.5)
        for embeddings, value in zip(((A, B), units), values, strict=True):
            loss = objective.agree(embeddings, embeddings, Views((A, B), KEY)).total
            assert 2 * loss.item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("key", "value"), [(KEY, 0.775943), (LABELS, 0.950921)], ids=["index", "label"])
def test_multi_crop_goldens(key, value):
    views = Views((A, B, C), key, (0, 1, 2), (0, 1, 2))
    loss = InfoNCE(temperature=0.1, denominator="one").agree((A, B, C), (A, B, C), views)
    assert loss.total.item() == pytest.approx(value, abs=1e-6)


def test_with_two_views_and_no_labels_one_positive_is_all_there_is():
    one, every = (both_ways(InfoNCE(temperature=0.1, denominator=d), KEY).total for d in ("one", "all"))
    torch.testing.assert_close(one, every)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_published_inversion_loss_is_anchors_with_their_own(p):
    """-log of exp(-|a_i - b_i|^p) over itself and exp(-|a_i - a_k|^p) for all k, k = i included, weighted by alpha."""
    objective = InfoNCE(similarity=Lp(p=p), temperature=1.0, candidates="anchors", own=True, alpha=0.4)
    negative = (A[:, None] - A[None]).abs().pow(p).sum(-1)
    positive = (A - B).abs().pow(p).sum(-1)
    partition = torch.log((-negative).exp().sum(1) + (-positive).exp())
    expected = 2 * (0.4 * positive + 0.6 * partition).mean()
    torch.testing.assert_close(objective(A, B, KEY).total, expected)


def test_single_precision_and_large_batches_go_through_tiles():
    x, y = (functional.normalize(torch.randn(1500, 8, generator=generator(0, name)), dim=1) for name in "xy")
    loss = InfoNCE(temperature=0.2).agree((x, y), (x, y), Views((x, y), torch.arange(1500))).total
    z = torch.cat([x, y]).double()
    logits = (z @ z.T / 0.2).fill_diagonal_(-torch.inf)
    expected = functional.cross_entropy(logits, torch.arange(3000).roll(1500))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_learned_temperature_starts_as_given_and_has_its_gradient():
    criterion = InfoNCE(temperature=0.4, learn_temperature=True).build(4).double()
    views = Views((A, B), KEY)
    loss = criterion((A, B), (A, B), views)
    torch.testing.assert_close(loss.total, both_ways(InfoNCE(temperature=0.4), KEY).total)
    assert loss.measures["temperature"].item() == pytest.approx(0.4)
    loss.total.backward()
    step = 1e-6
    above, below = (both_ways(InfoNCE(temperature=0.4 * math.exp(d)), KEY).total for d in (step, -step))
    assert criterion.log_temperature.grad.item() == pytest.approx(((above - below) / (2 * step)).item(), rel=1e-6)
    assert not [*InfoNCE().build(4).parameters()]


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan])
def test_alpha_is_a_share(alpha):
    with pytest.raises(ValueError, match=r"write objective.alpha=0.5"):
        InfoNCE(alpha=alpha)


def test_cross_view_form_is_cross_entropy_of_the_similarity_matrix():
    logits = Cosine()(A, B) / 0.3
    loss = InfoNCE(temperature=0.3, candidates="cross")(A, B, KEY).total
    torch.testing.assert_close(loss, functional.cross_entropy(logits, KEY))


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(list(range(6))))
def test_reordering_the_batch_changes_nothing(order):
    order = torch.tensor(order)
    for key in (KEY, LABELS):
        before = InfoNCE()(A, B, key).total
        torch.testing.assert_close(InfoNCE()(A[order], B[order], key[order]).total, before)


def test_parts_add_up_and_chance_is_the_log_of_the_candidates():
    loss = InfoNCE(temperature=0.4)(A, B, KEY)
    torch.testing.assert_close(loss.parts["alignment"] + loss.parts["uniformity"], loss.total)
    same = torch.ones(6, 4, dtype=torch.float64)
    assert InfoNCE()(same, same, KEY).total.item() == pytest.approx(math.log(11))


def test_half_precision_embeddings_are_compared_in_single_precision():
    loss = InfoNCE()(A.bfloat16(), B.bfloat16(), KEY).total
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be positive"):
        InfoNCE(temperature=temperature)


def test_rows_and_keys_must_match():
    with pytest.raises(ValueError, match="one answer and one key"):
        InfoNCE()(A, B, KEY[:5])
    with pytest.raises(ValueError, match="one answer and one key"):
        InfoNCE()(A, B[:5], KEY)


def test_agreement_is_the_mean_over_ordered_pairs_of_views():
    objective = InfoNCE(temperature=0.5)
    views = Views((A, B), KEY)
    forth, back = objective(A, B, KEY).total, objective(B, A, KEY).total
    torch.testing.assert_close(objective.agree((A, B), (A, B), views).total, (forth + back) / 2)
    one_sided = Views((A, B), KEY, asking=(0,), answering=(1,))
    torch.testing.assert_close(objective.agree((A,), (B,), one_sided).total, forth)
    with pytest.raises(ValueError, match="two views"):
        objective.agree((A,), (A,), Views((A,), KEY, asking=(0,), answering=(0,)))


@pytest.mark.parametrize("candidates", ["both", "cross", "anchors"])
@pytest.mark.parametrize("similarity", [Mahalanobis(covariance="running"), LatentClass(prior=True)], ids=repr)
def test_running_averages_move_once_a_step_in_training_alone(candidates, similarity):
    embeddings = (A, B) if isinstance(similarity, Mahalanobis) else tuple(z.softmax(1) for z in (A, B))
    criterion = InfoNCE(similarity=similarity, candidates=candidates).build(4).double()
    criterion.eval()
    before = {name: value.clone() for name, value in criterion.state_dict().items()}
    alone = similarity.build(4).double()
    if isinstance(similarity, LatentClass):
        criterion(embeddings, embeddings, Views(embeddings, KEY))
        assert all(torch.equal(value, before[name]) for name, value in criterion.state_dict().items())
    criterion.train()
    criterion(embeddings, embeddings, Views(embeddings, KEY))
    alone.observe(torch.cat(embeddings))
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(criterion.metric.state_dict()[name], value)


@pytest.mark.parametrize("denominator", ["one", "negatives"])
def test_one_key_for_all_leaves_no_negatives(denominator):
    with pytest.raises(ValueError, match=r"objective\.denominator=all"):
        InfoNCE(denominator=denominator)(A, B, torch.zeros(6, dtype=torch.int64))


def test_rows_must_be_there_and_real():
    for x in (A[:0], torch.ones(6, 4, dtype=torch.int64)):
        with pytest.raises(ValueError, match="floating-point"):
            InfoNCE()(x, x, KEY[: len(x)])
