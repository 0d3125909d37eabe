"""Swin's windows by loops, its network against transformers' SwinModel, its cost against published counts."""

from __future__ import annotations

import itertools

import pytest
import torch

from models import swin, vit_reference


def test_windows_are_cut_and_joined() -> None:
    x = torch.arange(2 * 6 * 6 * 5, dtype=torch.float32).view(2, 6, 6, 5)
    cut = swin.split(x, 3)
    assert cut.shape == (8, 9, 5)
    assert torch.equal(cut[5, 7], x[1, 2, 4]), "picture 1, window 1 (row 0, column 1), token 7 (row 2, column 1)"
    assert torch.equal(swin.join(cut, 6), x)


@pytest.mark.parametrize(("side", "window", "shift"), [(6, 3, 0), (6, 3, 1), (15, 5, 2), (14, 7, 3)])
def test_who_sees_whom_by_the_definition(side: int, window: int, shift: int) -> None:
    """Windows begin at shift, shift + m, ...; what is cut off at the edges forms smaller windows of its own."""
    found = swin.sees(side, window, shift)

    def piece(place: int) -> tuple[int, int]:
        row, column = divmod(place, side)
        return (row - shift) // window, (column - shift) // window

    want = torch.tensor([[piece(a) == piece(b) for b in range(side**2)] for a in range(side**2)])
    assert torch.equal(found, want)
    assert len(swin.regions(side, window, shift).unique()) == (9 if shift else 1)
    numbers = swin.pieces(side, window, shift)
    assert len(numbers.unique()) == (side // window + (1 if shift else 0)) ** 2
    assert torch.equal(numbers[:, None] == numbers, found)
    assert bool(found.any(1).all()) and torch.equal(found, found.T)


def test_reach_grows_by_hand() -> None:
    found = swin.reach(14, 3)
    assert [int(one[0].sum()) for one in found] == [49, 49, 196], "the corner's piece lies in its own window"
    middle = 6 * 14 + 6
    assert [int(one[middle].sum()) for one in found] == [49, 196, 196]
    assert torch.equal(found[0], swin.sees(14, 7, 0))
    single = swin.reach(7, 2)
    assert bool(single.all()), "one window: everything at once, and no shift"


@torch.no_grad()
def test_reach_is_what_gradients_say() -> None:
    """Changing a token of a random network moves exactly the tokens that `reach` names."""
    stage = swin.Stage(14, 8, 2, 2, 7, 3)
    blocks = [swin.Block(stage, shift).eval() for shift in (0, 3)]
    x = torch.randn(1, 14, 14, 8, generator=torch.Generator().manual_seed(0))
    reach = swin.reach(14, 2)
    for place in (0, 5 * 14 + 8, 195):
        other = x.clone()
        other[0, place // 14, place % 14, 2] += 1  # one feature: the same on all, normalisation would take away
        a, b = x, other
        for i, block in enumerate(blocks):
            a, b = block(a), block(b)
            moved = (a - b).abs().amax(-1).flatten() > 1e-7
            assert torch.equal(moved, reach[i, :, place])


def test_offsets() -> None:
    found = swin.offsets(3)
    for a, b in itertools.product(range(9), repeat=2):
        down, right = a // 3 - b // 3, a % 3 - b % 3
        assert int(found[a, b]) == (down + 2) * 5 + right + 2
    assert len(found.unique()) == 25


@torch.no_grad()
def test_against_transformers() -> None:
    theirs = vit_reference.swin_model(3)
    ours = vit_reference.copied(swin.Swin(vit_reference.TINY).eval(), theirs)
    picture = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(1))
    grids = ours(picture)
    assert [grid.shape[1:] for grid in grids] == [(14, 14, 8), (7, 7, 16)]
    torch.testing.assert_close(grids[-1].flatten(1, 2), theirs(picture).last_hidden_state, rtol=1e-5, atol=1e-5)


def test_stages_of_swin_t() -> None:
    plan = swin.stages()
    assert [(one.side, one.d_model, one.n_window, one.shift) for one in plan] == [
        (56, 96, 64, 3),
        (28, 192, 16, 3),
        (14, 384, 4, 3),
        (7, 768, 1, 0),
    ]
    assert plan[0].pairs == 56**2 * 49


def test_cost() -> None:
    assert swin.cost(224) / 1e9 == pytest.approx(4.5, abs=0.03), "MODELHUB.md: Swin-T 4.5G"
    assert swin.attention_cost(10, 3, 4) == 4 * 10 * 9 + 2 * 10 * 4 * 3
    assert swin.cost(448) / swin.cost(224) == pytest.approx(4, rel=1e-3), "linear in the number of pixels"
    whole = [swin.cost(n, windows=False) for n in (224, 448, 896)]
    assert whole[1] / whole[0] > 4.5 and whole[2] / whole[1] > 8
    # One window as large as the last grid: the same with and without.
    last = swin.stages()[-1]
    assert swin.attention_cost(last.side**2, last.d_model, last.window**2) == swin.attention_cost(49, 768, 49)
