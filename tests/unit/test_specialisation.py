"""What experts specialise in: the measure against slow sums, the counts against loops, the phenomena as shipped."""

import json
import math
from dataclasses import replace

import pytest
import torch

from models import specialisation, tiny_moe
from models.specialisation import (
    CLASSES,
    Specialisation,
    counts,
    favourites,
    loss_per_domain,
    mutual_information,
    normalised_mutual_information,
    read,
    token_class,
    token_classes,
)
from models.tiny_moe import DOMAINS, VARIANTS, WEIGHTS, Switches

CARD = json.loads((WEIGHTS / "tiny_moe.json").read_text(encoding="utf-8"))
SPARSE = ("moe", "fine")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", params=SPARSE)
def pair(request: pytest.FixtureRequest) -> tuple[str, Specialisation]:
    return request.param, specialisation.specialisation(request.param)


# --- mutual information ----------------------------------------------------------------------------------------------


def entropy(counts: list[float]) -> float:
    total = sum(counts)
    return -sum(n / total * math.log(n / total) for n in counts if n)


def slow(count: torch.Tensor) -> tuple[float, float]:
    """H(E) + H(C) - H(E, C) from Python lists: (in nats, normalised)."""
    table = count.tolist()
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    mutual = entropy(rows) + entropy(columns) - entropy([n for row in table for n in row])
    return mutual, mutual / ((entropy(rows) + entropy(columns)) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_mutual_information_by_entropies(seed: int) -> None:
    count = torch.randint(0, 50, (7, 3), generator=rng(seed)).float()
    count[:, 1] *= torch.arange(7)
    mutual, normalised = slow(count)
    assert mutual_information(count) == pytest.approx(mutual, abs=1e-9)
    assert normalised_mutual_information(count) == pytest.approx(normalised, abs=1e-9)
    assert normalised_mutual_information(count.T) == pytest.approx(normalised, abs=1e-9)


def test_mutual_information_by_hand() -> None:
    assert mutual_information(torch.eye(3) * 5) == pytest.approx(math.log(3))
    assert normalised_mutual_information(torch.eye(3) * 5) == pytest.approx(1.0)
    assert normalised_mutual_information(torch.ones(4, 3)) == pytest.approx(0.0, abs=1e-9)
    # Two experts, one token of each class and one more of the first: joint (1/2, 0; 1/4, 1/4).
    count = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
    mutual = 0.5 * math.log(0.5 / (0.5 * 0.75)) + 0.25 * math.log(0.25 / (0.5 * 0.75)) + 0.25 * math.log(2.0)
    assert mutual_information(count) == pytest.approx(mutual)
    # A router with one expert tells nothing, nor does one that nobody asked.
    for nothing in (torch.tensor([[3.0, 4.0, 5.0]]), torch.zeros(3, 2), torch.tensor([[3.0], [4.0]])):
        assert normalised_mutual_information(nothing) == 0.0


def test_classes_of_tokens() -> None:
    examples = {
        "special": ["<bos>"],
        "newline": ["↵", "↵↵", " ↵"],
        "space": [" ", "       ", "↵    ", "↵↵   "],
        "digit": ["7", " 10"],
        "punctuation": [".", " (", "：", "。", "==", "#"],
        "han": ["月", "春风", "。月"],
        "byte": ["<0xE6>", "<0x98><0x8E>"],
        "capital": ["The", " Error", "KING"],
        "word": [" the", " self"],
        "piece": ["ing", "'s", "def"],
    }
    assert set(examples) == set(CLASSES)
    for name, pieces in examples.items():
        for piece in pieces:
            assert token_class(piece) == name, piece
    classes = token_classes(2048)
    assert set(classes.tolist()) == set(range(len(CLASSES)))
    assert CLASSES[classes[tiny_moe.encode("")[0]]] == "special" and classes.eq(0).sum() == 1
    assert CLASSES[classes[tiny_moe.encode("\n")[1]]] == "newline"


# --- counts ----------------------------------------------------------------------------------------------------------


def test_counts_by_a_loop() -> None:
    ids = torch.randint(11, (2, 3, 7), generator=rng())
    served = torch.rand(2, 3, 7, 5, generator=rng(1)) < 0.4
    classes = torch.randint(len(CLASSES), (11,), generator=rng(2))
    tables = {"domain": torch.zeros(5, 2), "class": torch.zeros(5, len(CLASSES)), "token": torch.zeros(5, 11)}
    for d in range(2):
        for r in range(3):
            for t in range(1, 7):
                for e in range(5):
                    if served[d, r, t, e]:
                        v = int(ids[d, r, t])
                        tables["domain"][e, d] += 1
                        tables["class"][e, classes[v]] += 1
                        tables["token"][e, v] += 1
    for got, expected in zip(counts(ids, served, classes), tables.values(), strict=True):
        assert torch.equal(got, expected)


def test_everything_is_counted(pair: tuple[str, Specialisation]) -> None:
    name, found = pair
    cfg = tiny_moe.CONFIGS[name]
    n_token = 3 * 16 * 255
    assert found.served.shape == (cfg.n_layer, 3, 16, 256, cfg.n_expert) and len(found.layers) == cfg.n_layer
    text = torch.bincount(found.ids[:, :, 1:].flatten(), minlength=2048).float()
    for layer in found.layers:
        for table in (layer.by_domain, layer.by_class, layer.by_token):
            assert float(table.sum()) == n_token * cfg.top_k
            torch.testing.assert_close(table.sum(1) / table.sum(), layer.load)
        assert torch.equal(layer.by_token.sum(0), text * cfg.top_k)
        assert torch.equal(layer.by_domain.sum(0), torch.full((3,), 16 * 255.0 * cfg.top_k))
        assert layer.nmi_domain == pytest.approx(slow(layer.by_domain)[1], abs=1e-6)
        assert layer.nmi_class == pytest.approx(slow(layer.by_class)[1], abs=1e-6)
        assert layer.load_entropy == pytest.approx(entropy(layer.load.tolist()) / math.log(cfg.n_expert), abs=1e-5)


@torch.no_grad()
def test_losses_by_a_loop() -> None:
    model, rows = tiny_moe.load("moe"), tiny_moe.held_out()
    got = loss_per_domain("moe", n_row=2)
    for name in DOMAINS:
        nats = 0.0
        for row in rows[name][:2]:
            probability = model(row[None])[0][0].double().softmax(-1)
            nats -= sum(math.log(float(probability[t, row[t + 1]])) for t in range(255))
        assert got[name] == pytest.approx(nats / 510, abs=1e-4)


def test_progress_and_noise() -> None:
    seen: list[float] = []
    specialisation.specialisation("moe", tick=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0 and seen[0] == pytest.approx(1 / 48)
    noisy = [read("moe", Switches(gate="random", seed=seed), 2)[1] for seed in (0, 0, 1)]
    chosen = [[trace[0].chosen for trace in traces] for traces in noisy]
    assert torch.equal(chosen[0][1], chosen[1][1]) and not torch.equal(chosen[0][1], chosen[2][1])
    assert not torch.equal(chosen[0][0], chosen[0][1])  # other rows, other draws
    drawn = [trace[0].logit for trace in read("moe", Switches(gate="untrained"), 2)[1]]
    # <bos> is the same everywhere, and so is a router drawn once.
    torch.testing.assert_close(drawn[0][:, 0], drawn[1][:, 0])


@torch.no_grad()
@pytest.mark.parametrize("name", SPARSE)
def test_a_capacity_is_no_domains_loss(name: str) -> None:
    """Every row has all of its experts' capacity: the same as reading it alone, by the model itself, in any order."""
    how = Switches(capacity_factor=1.0)
    model, rows = tiny_moe.load(name), tiny_moe.held_out()
    got = loss_per_domain(name, how, n_row=2)
    _, traces = read(name, how, 2)
    for d, domain in enumerate(DOMAINS):
        losses = []
        for i, row in enumerate(rows[domain][:2]):
            logits, layers = model(row[None], how)
            losses.append(float(torch.nn.functional.cross_entropy(logits[0, :-1], row[1:])))
            for joined, alone in zip(traces[i], layers, strict=True):
                assert torch.equal(joined.kept[d], alone.kept[0]) and torch.equal(joined.weight[d], alone.weight[0])
        assert got[domain] == pytest.approx(sum(losses) / 2, abs=1e-5)
    # In one batch the domain that comes last is dropped for the others.
    batch = torch.stack([rows[domain][0] for domain in DOMAINS])
    tight = Switches(capacity_factor=0.5)
    kept = model(batch, tight)[1][0].kept.sum((1, 2)).tolist()
    assert kept[2] < kept[0] / 2, "or this test is about nothing"
    alone = [int(read(name, tight, 1)[1][0][0].kept[d].sum()) for d in range(3)]
    assert min(alone) > max(alone) / 2


def test_a_dense_model_has_no_layers() -> None:
    found = specialisation.specialisation("dense_active")
    assert found.layers == () and set(found.loss) == set(DOMAINS) and found.served.numel() == 0


# --- favourites ------------------------------------------------------------------------------------------------------


def test_favourites(pair: tuple[str, Specialisation]) -> None:
    name, found = pair
    cfg = tiny_moe.CONFIGS[name]
    text = found.ids[:, :, 1:].flatten()
    layer = 2
    table = favourites(found, layer, n_token=5, least=10, n_context=2, width=3)
    assert len(table) == cfg.n_expert
    for e, best in enumerate(table):
        served = found.served[layer, :, :, 1:, e].flatten()
        mine = text[served]
        lifts = {}
        for v in set(text.tolist()):
            occurrences = int((text == v).sum())
            times = int((mine == v).sum())
            if times >= 10 and token_class(tiny_moe.label([v])[0]) != "byte":
                lifts[v] = (times / len(mine)) / (occurrences / len(text))
        worth = {v: int((mine == v).sum()) * math.log(lift) for v, lift in lifts.items() if lift > 1}
        expected = sorted(worth.values(), reverse=True)[:5]
        assert [one.count * math.log(one.lift) for one in best] == pytest.approx(expected, rel=1e-3)
        for one in best:
            assert one.lift == pytest.approx(lifts[one.token], rel=1e-4)
            assert one.count == int((mine == one.token).sum()) and one.label == tiny_moe.label([one.token])[0]
            assert one.share == pytest.approx(one.count / int((text == one.token).sum()))
            assert len(one.contexts) == min(2, one.count) and all(at == one.label for _, at, _ in one.contexts)
            for before, at, after in one.contexts:
                whole = ["".join(tiny_moe.label(row.tolist())) for row in found.ids.flatten(0, 1)]
                assert any(before + at + after in row for row in whole)
    # Rare tokens are no favourites.
    common = favourites(found, layer, n_token=3, least=200)
    assert all(one.count >= 200 for best in common for one in best)


def test_contexts_are_places_where_the_expert_got_the_token() -> None:
    word = [tiny_moe.encode(f" {c}")[1] for c in "abcd"]
    a, b, c, d = word
    ids = torch.tensor([[[0, a, b, c, a], [0, d, a, c, d]]])  # one domain, two rows, <bos> first
    served = torch.zeros(1, 1, 2, 5, 2, dtype=torch.bool)
    served[..., 1] = True
    for row, at in ((0, 4), (1, 2), (1, 4)):
        served[0, 0, row, at] = torch.tensor([True, False])
    classes = torch.zeros(2048, dtype=torch.long)
    by_domain, by_class, by_token = counts(ids, served[0], classes)
    layer = specialisation.Layer(by_domain, by_class, by_token, by_domain.sum(1) / 8, *([0.0] * 7))
    found = Specialisation(ids, served, (layer,), {})
    (first, second), other = favourites(found, 0, least=1, width=2)
    # Expert 0 got " a" twice of three times and " d" once of twice: 2/3 / (3/8) and 1/3 / (2/8), worked out by hand.
    assert (first.token, first.count, first.lift, first.share) == (a, 2, pytest.approx(16 / 9), pytest.approx(2 / 3))
    assert first.contexts == ((" b c", " a", ""), (" d", " a", " c d"))
    assert (second.token, second.lift, second.contexts) == (d, pytest.approx(4 / 3), ((" a c", " d", ""),))
    assert favourites(found, 0, least=2, n_context=3, width=2)[0][0].contexts == first.contexts  # no place twice
    assert [one.token for one in other] == [c, b] and len(other[0].contexts) == 2, "the same lift, 8/5: the commoner"
    assert [[one.token for one in best] for best in favourites(found, 0, least=2)] == [[a], [c]]
    part = tiny_moe.encode("放")[1]  # a piece of a character is nobody's favourite
    assert token_class(tiny_moe.label([part])[0]) == "byte"
    swapped = torch.where(ids == a, part, ids)
    one = replace(layer, by_token=counts(swapped, served[0], classes)[2])
    assert [one.token for one in favourites(Specialisation(swapped, served, (one,), {}), 0, least=1)[0]] == [d]


# --- what training made ----------------------------------------------------------------------------------------------


def test_experts_specialise(pair: tuple[str, Specialisation]) -> None:
    """Normalised mutual information with the domain above 0.2 in at least one layer of both models, with the class of
    token in "moe"; "fine" stays below. A router that ignores the token has none, an untrained one less than half.
    """
    name, found = pair
    domain = max(found.layers, key=lambda layer: layer.nmi_domain)
    kind = max(found.layers, key=lambda layer: layer.nmi_class)
    assert domain.nmi_domain > 0.2 and kind.nmi_class > {"moe": 0.2, "fine": 0.15}[name]
    assert domain.nmi_domain > 2 * domain.untrained_domain and kind.nmi_class > 2 * kind.untrained_class
    for layer in found.layers:
        assert layer.random_domain < 0.002 and layer.random_class < 0.003
        assert layer.nmi_domain > 20 * layer.random_domain and layer.nmi_class > 20 * layer.random_class


def test_loads_are_balanced(pair: tuple[str, Specialisation]) -> None:
    assert min(layer.load_entropy for layer in pair[1].layers) > 0.9


def test_experts_beat_their_dense_twin() -> None:
    losses = {name: loss_per_domain(name) for name in VARIANTS}
    mean = {name: sum(loss.values()) / 3 for name, loss in losses.items()}
    assert mean["moe"] < mean["dense_active"] - 0.03 and mean["fine"] < mean["dense_active"] - 0.01, mean
    for name in SPARSE:  # on all held-out text, paired row by row
        less = CARD["models"][name]["against_dense_active"]
        assert less["rows"] > 600 and less["mean"] < -4 * less["standard_error"]
    for name, loss in losses.items():
        assert loss == pytest.approx(CARD["models"][name]["held_out"], abs=2e-3)


def test_the_card_says_what_is_measured(pair: tuple[str, Specialisation]) -> None:
    name, found = pair
    card = CARD["models"][name]
    for key in ("nmi_domain", "nmi_class", "load_entropy"):
        assert card[key] == pytest.approx([getattr(layer, key) for layer in found.layers], abs=5e-3), key
    for kind in ("random", "untrained"):
        for what in ("domain", "class"):
            now = [getattr(layer, f"{kind}_{what}") for layer in found.layers]
            assert card[f"nmi_{what}_{kind}"] == pytest.approx(now, abs=1e-2)


def test_the_router_matters() -> None:
    """The same experts behind a router that ignores the token, or was never trained, predict far worse."""
    trained = sum(loss_per_domain("moe", n_row=4).values())
    assert sum(loss_per_domain("moe", Switches(gate="random"), n_row=4).values()) > trained + 3 * 0.2
    assert sum(loss_per_domain("moe", Switches(gate="untrained"), n_row=4).values()) > trained + 3 * 0.1
