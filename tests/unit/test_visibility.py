"""Every mask rule against `transformers`' own mask code or an explicit loop after the paper; counts and reach."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import visibility
from models.visibility import PARAMETER, RULES, Shape, bounds, count, fit, reach, visible


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """A legal shape: every number within its bounds for a drawn length."""
    n_token = draw(st.integers(1, 31))
    return Shape(n_token, **{name: draw(st.integers(*ends)) for name, ends in bounds(n_token).items()})


def table(n_token: int, rule) -> torch.Tensor:
    """A mask by explicit loop."""
    return torch.tensor([[bool(rule(i, j)) for j in range(n_token)] for i in range(n_token)])


# --- references: transformers' mask code ------------------------------------------------------------------------------


def of_transformers(function, n_token: int) -> torch.Tensor:
    t, s = torch.arange(n_token)[:, None], torch.arange(n_token)[None, :]
    return torch.as_tensor(function(0, 0, t, s)).expand(n_token, n_token)


@pytest.mark.parametrize("n_token", [1, 2, 7, 13, 31])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 31])
def test_masks_equal_those_of_transformers(n_token: int, size: int) -> None:
    from transformers import masking_utils as hf
    from transformers.models.gemma3.modeling_gemma3 import get_block_sequence_ids_for_mask

    size = min(size, n_token)
    no_padding = torch.zeros(1, dtype=torch.long)
    shape = Shape(
        n_token,
        window=size,
        chunk=size,
        n_prefix=size,
        n_image=min(size, n_token - 1),
        n_document=min(size, 16),
        n_layer=5,
        local_per_global=5,
    )

    def same(name: str, function, shape: Shape = shape) -> None:
        assert torch.equal(visible(name, shape), of_transformers(function, n_token)), name

    causal, local = hf.causal_mask_function, hf.sliding_window_causal_mask_function(size)
    same("full", hf.bidirectional_mask_function)
    same("causal", causal)
    same("sliding", local)
    same("chunked", hf.chunked_causal_mask_function(size, no_padding))
    same("local_global", local)
    same("local_global", causal, replace(shape, n_layer=6))
    same("longformer", hf.sliding_window_bidirectional_mask_function(size // 2))

    position = torch.arange(n_token)
    in_prefix = torch.where(position < size, 0, -1)[None]
    same("prefix", hf.or_masks(causal, hf.blockwise_overlay(in_prefix)))
    is_image = ((position >= 1) & (position <= shape.n_image)).long()[None]
    same("image_prefix", hf.or_masks(causal, hf.blockwise_overlay(get_block_sequence_ids_for_mask(is_image))))

    # Packing as the library finds it: positions that start again at 0.
    document = visible("packed", replace(shape, n_document=min(size, 16)))
    start = document.long().argmax(-1)  # the first token a row sees is the first of its document
    sequence = hf.find_packed_sequence_indices((position - start)[None])
    if sequence is None:  # one document
        sequence = torch.zeros(1, n_token, dtype=torch.long)
    same("packed", hf.and_masks(causal, hf.packed_sequence_mask_function(sequence)))
    # ... and the documents are as equal as can be
    length = torch.bincount(start)
    length = length[length > 0]
    assert len(length) == min(size, 16)
    assert length.max() - length.min() <= 1


@pytest.mark.parametrize(("name", "ratio"), [("Gemma2Config", 1), ("Gemma3TextConfig", 5)])
def test_layer_pattern_equals_gemmas(name: str, ratio: int) -> None:
    import transformers

    kinds = getattr(transformers, name)(num_hidden_layers=13).layer_types
    for i, kind in enumerate(kinds):
        mask = visible("local_global", Shape(11, window=3, n_layer=i + 1, local_per_global=ratio))
        expected = visible("causal", Shape(11)) if kind == "full_attention" else visible("sliding", Shape(11, window=3))
        assert torch.equal(mask, expected), (i, kind)


# --- references: the papers, by explicit loop -------------------------------------------------------------------------


@given(shapes())
@settings(max_examples=60, deadline=None)
def test_masks_equal_explicit_loops(shape: Shape) -> None:
    n, source, stride, n_global = shape.n_token, shape.n_source, shape.stride, shape.n_global

    def child(i: int, j: int) -> bool:
        """Child et al. 2019, section 4.3: A1 = {max(0, i - l), ..., i}, A2 = {j: (i - j) mod l = 0}; their union."""
        first = set(range(max(0, i - stride), i + 1))
        second = {k for k in range(i + 1) if (i - k) % stride == 0}
        return j in first | second

    assert torch.equal(visible("strided", shape), table(n, child))
    # T5, section 3.2.1: fully visible in the prefix, causal after it.
    assert torch.equal(visible("prefix", shape), table(n, lambda i, j: j < shape.n_prefix or j <= i))
    # Encoder rows read the source; decoder rows too, through cross-attention. Nobody reads the target.
    assert torch.equal(visible("cross", shape), table(n, lambda i, j: j in range(source)))
    # Longformer, section 3.1: half a window on each side; global tokens see all and are seen by all.
    half, chosen = shape.window // 2, set(range(n_global))
    assert torch.equal(
        visible("longformer", shape), table(n, lambda i, j: i in chosen or j in chosen or -half <= i - j <= half)
    )


def test_one_mask_of_each_by_hand() -> None:
    shape = Shape(5, window=2, n_prefix=2, n_source=2, chunk=2, stride=3, n_global=1, n_document=2, n_image=2)
    picture = {
        "full": "11111 11111 11111 11111 11111",
        "causal": "10000 11000 11100 11110 11111",
        "prefix": "11000 11000 11100 11110 11111",
        "cross": "11000 11000 11000 11000 11000",
        "sliding": "10000 11000 01100 00110 00011",
        "local_global": "10000 11000 01100 00110 00011",
        "chunked": "10000 11000 00100 00110 00001",
        "strided": "10000 11000 11100 11110 01111",
        "longformer": "11111 11100 11110 10111 10011",
        "packed": "10000 11000 11100 00010 00011",
        "image_prefix": "10000 11100 11100 11110 11111",
    }
    assert set(picture) == set(RULES) == set(PARAMETER)
    for name, rows in picture.items():
        assert visible(name, shape).int().tolist() == [[int(c) for c in row] for row in rows.split()], name


# --- laws and limits --------------------------------------------------------------------------------------------------


@given(shapes())
@settings(max_examples=80, deadline=None)
def test_no_row_is_empty_and_the_closed_form_counts(shape: Shape) -> None:
    for name in RULES:
        mask = visible(name, shape)
        assert mask.any(-1).all(), name
        assert count(name, shape)[1] == int(mask.sum()), (name, shape)


@given(shapes(), st.data())
@settings(max_examples=40, deadline=None)
def test_a_batch_of_masks_is_the_masks_one_by_one(shape: Shape, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(bounds(shape.n_token))))
    values = data.draw(st.lists(st.integers(*bounds(shape.n_token)[field]), min_size=1, max_size=4))
    batch = replace(shape, **{field: torch.tensor(values)[:, None, None]})
    for name in RULES:
        masks = visible(name, batch).expand(len(values), shape.n_token, shape.n_token)
        for value, mask in zip(values, masks, strict=True):
            assert torch.equal(mask, visible(name, replace(shape, **{field: value}))), (name, field)


def test_limits() -> None:
    n = 13
    causal, full = visible("causal", Shape(n)), visible("full", Shape(n))
    for name, shape in {
        "sliding": Shape(n, window=n),
        "chunked": Shape(n, chunk=n),
        "strided": Shape(n, stride=1),
        "packed": Shape(n, n_document=1),
        "prefix": Shape(n, n_prefix=1),
        "image_prefix": Shape(n, n_image=1),
        "local_global": Shape(n, window=2, n_layer=2, local_per_global=1),
    }.items():
        assert torch.equal(visible(name, shape), causal), name
    for name, shape in {
        "longformer": Shape(n, n_global=n),
        "prefix": Shape(n, n_prefix=n),
        "cross": Shape(n, n_source=n),
    }.items():
        assert torch.equal(visible(name, shape), full), name
    for name in ("sliding", "chunked", "longformer"):
        assert torch.equal(visible(name, Shape(n)), torch.eye(n, dtype=torch.bool)), name
    assert torch.equal(visible("packed", Shape(n, n_document=n)), torch.eye(n, dtype=torch.bool))


def test_fit_keeps_what_is_legal_and_cuts_the_rest() -> None:
    small, large = Shape(99, window=5, n_prefix=4, n_image=3), Shape(99, *[10**6] * 10)
    assert fit(small, 7) == Shape(7, window=5, n_prefix=4, n_image=3)
    cut = fit(large, 7)
    assert {k: v for k, v in vars(cut).items() if k != "n_token"} == {k: high for k, (_, high) in bounds(7).items()}
    assert fit(large, 1).n_source == 1


# --- reach ------------------------------------------------------------------------------------------------------------


@given(shapes(), st.sampled_from(["any", *RULES]), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_reach_equals_a_walk_along_the_masks(shape: Shape, name: str, n_layer: int, seed: int) -> None:
    if name == "any":  # masks that do not commute, so that the order of the layers counts
        draw = torch.rand(n_layer, shape.n_token, shape.n_token, generator=torch.Generator().manual_seed(seed))
        layers = draw < 0.15
    else:
        layers = torch.stack([visible(name, replace(shape, n_layer=i + 1)) for i in range(n_layer)])
    steps = reach(layers)
    for top in range(n_layer):
        for row in range(shape.n_token):
            heard = {row}
            for layer in reversed(range(top + 1)):  # from the top row down to the tokens
                heard |= {s for t in heard for s in range(shape.n_token) if layers[layer, t, s]}
            assert steps[top, row].nonzero().flatten().tolist() == sorted(heard)


def test_receptive_field_of_stacked_windows() -> None:
    window, n_layer, n = 5, 3, 31
    steps = reach(visible("sliding", Shape(n, window=window)).expand(n_layer, n, n))
    assert visibility.reach_width(steps).tolist() == [5, 9, 13]  # L(W - 1) + 1
    one_global = torch.stack([visible("local_global", Shape(n, window=2, n_layer=i)) for i in (1, 2)])
    assert visibility.reach_width(reach(one_global)).tolist() == [2, n]


def test_far_row_is_the_one_that_learns_most() -> None:
    def row(name: str, n_layer: int, **numbers: int) -> int:
        return visibility.far_row(reach(visible(name, Shape(13, **numbers)).expand(n_layer, 13, 13)))

    assert row("causal", 1) == row("sliding", 3, window=3) == 12
    assert row("longformer", 2, window=3, n_global=1) == 12  # not the global token, which knew all at once
    assert row("chunked", 2, chunk=5) == 9  # the last token of the last whole chunk
    assert row("full", 1) == 12


# --- claims -----------------------------------------------------------------------------------------------------------


def test_claims_give_the_numbers_the_page_quotes() -> None:
    pairs = visibility.claim_pairs()
    assert (pairs["full"], pairs["causal"], pairs["n_sqrt"], pairs["n_log"]) == (4_194_304, 2_098_176, 92_682, 22_528)
    assert pairs["strided"] == count("strided", Shape(2_048, stride=45))[1]
    # Of the order of n sqrt(n), an order of magnitude below n^2, above n log n.
    assert pairs["n_log"] < pairs["n_sqrt"] < pairs["strided"] < 2 * pairs["n_sqrt"] < pairs["causal"] / 10
    assert pairs["share"] == pytest.approx(1 / 37)
    assert visibility.claim_window() == {"window": 4, "code": 4, "closed": 5, "longformer": 5}
    field = visibility.claim_reach()
    assert field["measured"] == field["formula"] == 10
    assert field["product"] == 12
    assert (field["mistral"], field["mistral_product"]) == (131_041, 131_072)
    gemma = visibility.claim_interleave()
    assert gemma["gemma2_share"] == pytest.approx(
        (3 / 4 + 1) / 2, abs=1e-3
    )  # a window of half the text: 3/4 of the pairs
    assert gemma["gemma3_share"] == pytest.approx((5 * 2 * 1_024 / 131_072 + 1) / 6, abs=2e-3)
    rank = visibility.claim_rank()
    assert rank["full_4"] == pytest.approx(29, abs=2)
    assert rank["causal_4"] == pytest.approx(75, abs=2)
    assert rank["full_64"] == pytest.approx(156, abs=2)
    assert rank["causal_64"] == pytest.approx(115, abs=2)
    assert set(visibility.CLAIMS) == {"pairs", "window", "reach", "interleave", "rank"}
