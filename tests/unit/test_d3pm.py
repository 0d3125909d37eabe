"""D3PM's tables against closed forms, its posterior against Bayes over paths, and its two ways back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models import d3pm
from models.counting import belongs, sentences, word_shares

T, V = 11, 7


@pytest.fixture(scope="module", params=d3pm.CORRUPTIONS)
def found(request: pytest.FixtureRequest) -> tuple[str, d3pm.Tables]:
    return request.param, d3pm.tables(request.param, T, V)


def test_sentences_are_counted_by_hand() -> None:
    language = sentences(5, 4)
    assert language.shape == (10, 4)
    assert language[3].tolist() == [3, 4, 0, 1] and language[5 + 1].tolist() == [1, 0, 4, 3]
    assert belongs(torch.tensor([[4, 0, 1, 2], [4, 0, 0, 1]]), language).tolist() == [True, False]
    assert len({tuple(one) for one in sentences(3, 2).tolist()}) == 6, "even the smallest language has no two alike"
    for n_word, length in ((2, 4), (5, 1)):
        with pytest.raises(ValueError, match="words"):
            sentences(n_word, length)


def test_words_by_position_are_the_sentences_weighed() -> None:
    language = sentences(5, 4)
    weight = torch.rand(3, 10, generator=torch.Generator().manual_seed(1))
    weight /= weight.sum(-1, keepdim=True)
    shares = word_shares(weight, language, 6)
    for b, place, word in ((0, 0, 0), (1, 3, 2), (2, 2, 4), (1, 1, 5)):
        by_hand = sum(float(weight[b, s]) for s in range(10) if int(language[s, place]) == word)
        assert float(shares[b, place, word]) == pytest.approx(by_hand, abs=1e-6)


def test_rows_sum_to_one_and_nothing_is_negative(found: tuple[str, d3pm.Tables]) -> None:
    name, tables = found
    for table in (tables.one, tables.power):
        assert (table >= 0).all()
        torch.testing.assert_close(table.sum(-1), torch.ones(T + 1, V + (name == "absorbing"), dtype=torch.float64))
    torch.testing.assert_close(tables.stationary @ tables.one, tables.stationary.expand(T + 1, -1))


def test_powers_are_products_and_have_their_closed_form(found: tuple[str, d3pm.Tables]) -> None:
    name, tables = found
    product = np.eye(tables.one.shape[-1])
    for t in range(1, T + 1):
        product = product @ tables.one[t].numpy()
        np.testing.assert_allclose(tables.power[t], product, atol=1e-12)
    if name == "gaussian":
        with pytest.raises(ValueError, match="no such form"):
            d3pm.closed_form(tables, name)
        early, late = tables.one[4], tables.one[9]
        assert float((early @ late - late @ early).abs().max()) > 1e-6, "steps do not commute: no common eigenbasis"
    else:
        torch.testing.assert_close(tables.power, d3pm.closed_form(tables, name), atol=1e-12, rtol=0)


def test_numbers_by_hand() -> None:
    uniform = d3pm.transition("uniform", 0.3, 5)
    assert float(uniform[2, 2]) == pytest.approx(0.7 + 0.06) and float(uniform[2, 4]) == pytest.approx(0.06)
    absorbing = d3pm.transition("absorbing", 0.3, 5)
    assert absorbing[1].tolist() == pytest.approx([0, 0.7, 0, 0, 0, 0.3]) and absorbing[5].tolist() == [
        0,
        0,
        0,
        0,
        0,
        1,
    ]
    gaussian = d3pm.transition("gaussian", 0.5, 3)
    whole = 1 + 2 * math.exp(-4 / 2) + 2 * math.exp(-16 / 2)  # (V - 1)^2 beta = 4 * 0.5
    assert float(gaussian[0, 1]) == pytest.approx(math.exp(-2) / whole)
    assert float(gaussian[0, 2]) == pytest.approx(math.exp(-8) / whole)
    assert float(gaussian[0, 0]) > float(gaussian[1, 1]), "at the ends more stays: nothing can go further out"
    torch.testing.assert_close(gaussian.sum(0), torch.ones(3, dtype=torch.float64))
    assert d3pm.betas("absorbing", 4).tolist() == pytest.approx([1 / 4, 1 / 3, 1 / 2, 1])
    assert d3pm.betas("gaussian", 1000)[[0, -1]].tolist() == pytest.approx([1e-4, 0.02]), "the authors' at 1000 steps"


def test_masks_grow_evenly_and_end_everywhere() -> None:
    power = d3pm.tables("absorbing", T, V).power
    for t in range(T + 1):
        np.testing.assert_allclose(power[t, :V, V], t / T, atol=1e-12)
    moved = power[:, :V, :V] - torch.diag_embed(power[:, :V, :V].diagonal(dim1=1, dim2=2))
    assert float(moved.abs().max()) == 0, "no word becomes another"


@pytest.mark.parametrize("clean", [0, 4])
def test_the_posterior_is_bayes_over_all_paths(found: tuple[str, d3pm.Tables], clean: int) -> None:
    _, tables = found
    posterior = d3pm.posterior(tables, clean)
    assert posterior[0].isnan().all()
    for t in (1, 5, T):
        wanted = d3pm.by_enumeration(tables, t, clean)
        torch.testing.assert_close(posterior[t], wanted, atol=1e-12, rtol=0, equal_nan=True)
        rows = posterior[t][~posterior[t].isnan().any(-1)]
        torch.testing.assert_close(rows.sum(-1), torch.ones(len(rows), dtype=torch.float64))
    assert float(posterior[1][~posterior[1].isnan().any(-1)][:, clean].min()) == pytest.approx(1), "at t = 0 it is x_0"


def test_without_x0_the_posterior_is_its_mean(found: tuple[str, d3pm.Tables]) -> None:
    """q(x_{t-1} | x_t) = sum over x_0 of p(x_0 | x_t) q(x_{t-1} | x_t, x_0)."""
    _, tables = found
    known = torch.stack([d3pm.posterior(tables, clean) for clean in range(V)]).nan_to_num()
    mean = d3pm.backward(tables, V)
    for t in (1, 6, T):
        given = tables.power[t][:V]
        given = given / given.sum(0).clamp(min=1e-300)
        wanted = torch.einsum("ki,kij->ij", given, known[:, t])
        shown = ~mean[t].isnan().any(-1)
        torch.testing.assert_close(mean[t][shown], wanted[shown], atol=1e-10, rtol=0)
        torch.testing.assert_close(mean[t][shown].sum(-1), torch.ones(int(shown.sum()), dtype=torch.float64))


def test_belief_is_bayes_over_sentences(found: tuple[str, d3pm.Tables]) -> None:
    _, tables = found
    language = sentences(V, 3)
    x = torch.tensor([[1, 2, 5], [6, 0, 1]])
    for t in (2, 8):
        weight = [
            [
                math.prod(float(tables.power[t, s, w]) for s, w in zip(one, text, strict=True))
                for one in language.tolist()
            ]
            for text in x.tolist()
        ]
        found_belief = d3pm.believe(tables, t, x, language)
        for b, row in enumerate(weight):
            wanted = [w / sum(row) for w in row] if sum(row) else [1 / len(row)] * len(row)
            np.testing.assert_allclose(found_belief[b], wanted, atol=1e-12)


def test_corruption_has_the_shares_it_should(found: tuple[str, d3pm.Tables]) -> None:
    _, tables = found
    film = d3pm.corrupt(tables, torch.full((4000, 1), 2), torch.Generator().manual_seed(3))
    for t in (4, 9):
        share = torch.bincount(film[t, :, 0], minlength=tables.power.shape[-1]) / 4000
        assert float((share - tables.power[t, 2]).abs().max()) < 0.04


def test_the_exact_way_back_never_errs_and_the_other_improves_with_steps(found: tuple[str, d3pm.Tables]) -> None:
    name, tables = found
    language, generator = sentences(V, d3pm.LENGTH), torch.Generator().manual_seed(0)
    noise = d3pm.draw(tables.stationary.expand(150, d3pm.LENGTH, -1), generator)
    texts = d3pm.restore(tables, noise, language, True, generator)[0]
    assert belongs(texts, language).all()
    every = {tuple(one) for one in texts.tolist()}
    assert len(every) == 2 * V, "every sentence comes out"
    few, many = (d3pm.share_right(name, n, V, False, generator) for n in (2, 16))
    assert many > few and many > 0.7


def test_a_filled_mask_stays_and_a_uniform_word_may_change() -> None:
    language, generator = sentences(V, d3pm.LENGTH), torch.Generator().manual_seed(0)
    changes = {}
    for name in ("absorbing", "uniform"):
        tables = d3pm.tables(name, T, V)
        noise = d3pm.draw(tables.stationary.expand(64, d3pm.LENGTH, -1), generator)
        film = d3pm.restore(tables, noise, language, False, generator)
        after, before = film[:-1], film[1:]
        changes[name] = int(((after != before) & (before < V)).sum())
    assert changes["absorbing"] == 0 < changes["uniform"]


def test_the_trace_holds_what_was_computed(found: tuple[str, d3pm.Tables]) -> None:
    name, tables = found
    trace = d3pm.trace(name, V, 2, T, 5)
    again = d3pm.trace(name, V, 2, T, 5)
    assert torch.equal(trace.forward, again.forward) and torch.equal(trace.by_word, again.by_word)
    torch.testing.assert_close(trace.posterior, d3pm.posterior(tables, 2).float(), equal_nan=True)
    torch.testing.assert_close(trace.backward, d3pm.backward(tables, V).float(), equal_nan=True)
    language = sentences(V, d3pm.LENGTH)
    assert belongs(trace.forward[:1], language).all() and belongs(trace.exact[:1], language).all()
    assert trace.right.tolist() == [True, True, bool(belongs(trace.by_word[:1], language))]
    assert torch.equal(trace.forward[-1], trace.exact[-1]) and torch.equal(trace.forward[-1], trace.by_word[-1])
    for r, film in enumerate((trace.forward, trace.exact, trace.by_word)):
        for t in (1, 6):
            wanted = word_shares(d3pm.believe(tables, t, film[t][None], language), language, tables.power.shape[-1])[0]
            torch.testing.assert_close(trace.belief[r, t], wanted.float())
    gap = (tables.power[6] - tables.stationary).abs().sum(-1).max() / 2
    assert float(trace.distance[6]) == pytest.approx(float(gap), abs=1e-6)
    assert (trace.distance[1:] <= trace.distance[:-1] + 1e-6).all() and float(trace.distance[-1]) < 0.05
    assert trace.share.shape == (3, len(d3pm.STEPS))
    assert float(trace.share[0, -1]) > float(trace.share[1, -1]), "uniform noise corrects itself, masks do not"
    said = d3pm.facts(trace, 6)
    assert said["stays"] == pytest.approx(float(tables.power[6, 2, 2]))
    assert said["changed"] == int((trace.forward[6] != trace.forward[0]).sum())
    assert max(d3pm.check(name, V, 2, T).values()) < 1e-9
