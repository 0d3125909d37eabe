"""The mixtures trained here: forward passes against transformers, every switch, files against their card, training.

References: `MixtralForCausalLM`, `DeepseekV3MoE` and `LlamaForCausalLM` with copied weights (values and gradients),
explicit loops over tokens and experts, smaller models built from the same weights, and what was measured on the shipped
half-precision weights.
"""

import hashlib
import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DeepseekV3Config, LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

from models import tiny_moe
from models.language_model import ModelUnavailable
from models.tiny_moe import CONFIGS, DOMAINS, GATES, VARIANTS, WEIGHTS, Block, Config, Switches, TinyMoE
from training import tiny_moe as training
from training.tiny_lm import Phase, Stream

MOE = Config(37, 3, n_kv_head=2, group_size=5, n_pair=7, d_model=23, n_ctx=43, n_expert=7, top_k=3, d_expert=11)
FINE = replace(MOE, n_expert=13, top_k=5, n_shared=2, gate="sigmoid_bias")
SECOND = replace(MOE, n_layer=4, moe_every=2, n_shared=1)
DENSE = replace(MOE, n_expert=0, top_k=0, n_shared=1)
TOYS = {"moe": MOE, "fine": FINE, "second": SECOND, "dense": DENSE}
CARD = json.loads((WEIGHTS / "tiny_moe.json").read_text(encoding="utf-8"))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_model(cfg: Config) -> TinyMoE:
    """All weights random, gains and biases too, so that none of them can be forgotten unseen."""
    model = TinyMoE(cfg, rng())
    generator = rng(1)
    with torch.no_grad():
        for weight in (*model.parameters(), *model.buffers()):
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return model.requires_grad_(False)


def reference(model: TinyMoE) -> torch.nn.Module:
    """The same model made of transformers' parts."""
    cfg = model.cfg
    shared = {
        "vocab_size": cfg.vocab_size,
        "hidden_size": cfg.d_model,
        "num_hidden_layers": cfg.n_layer,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": cfg.d_head,
        "max_position_embeddings": cfg.n_ctx,
        "rms_norm_eps": cfg.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": cfg.rope_base},
        "tie_word_embeddings": True,
        "attn_implementation": "eager",
    }
    mixtral = {"num_local_experts": cfg.n_expert, "num_experts_per_tok": cfg.top_k, "intermediate_size": cfg.d_expert}
    whole = cfg.n_expert and cfg.gate == "renormalised" and cfg.moe_every == 1 and not cfg.n_shared
    config = MixtralConfig(**shared, **mixtral) if whole else LlamaConfig(**shared, intermediate_size=cfg.d_active)
    config.num_attention_heads, config.num_key_value_heads = cfg.n_head, cfg.n_kv_head
    config._experts_implementation = "eager"  # the grouped kernel wants sizes that are multiples of 4
    made = (MixtralForCausalLM if whole else LlamaForCausalLM)(config).eval()

    mine, names = model.state_dict(), {"gain_attention": "input_layernorm", "gain_mlp": "post_attention_layernorm"}
    names |= {f"w_{x}": f"self_attn.{x}_proj" for x in "qkvo"}
    theirs = {f"{x}.weight": mine["embedding"] for x in ("model.embed_tokens", "lm_head")}
    theirs["model.norm.weight"] = mine["gain_final"]
    for i, layer in enumerate(made.model.layers):
        own = {key.removeprefix(f"layers.{i}."): value for key, value in mine.items() if key.startswith(f"layers.{i}.")}
        theirs |= {f"model.layers.{i}.{b}.weight": own[a] for a, b in names.items()}
        mlp = {}
        if not cfg.sparse(i):
            mlp = {f"{x}_proj.weight": own[f"shared_{x}"] for x in ("gate", "up", "down")}
        else:
            if not whole and cfg.gate == "sigmoid_bias":
                deepseek = DeepseekV3Config(
                    hidden_size=cfg.d_model,
                    moe_intermediate_size=cfg.d_expert,
                    n_routed_experts=cfg.n_expert,
                    num_experts_per_tok=cfg.top_k,
                    n_shared_experts=cfg.n_shared,
                    n_group=1,
                    topk_group=1,
                    routed_scaling_factor=1.0,
                    norm_topk_prob=True,
                )
                layer.mlp = DeepseekV3MoE(deepseek)
                mlp["gate.e_score_correction_bias"] = own["bias"]
                mlp |= {f"shared_experts.{x}_proj.weight": own[f"shared_{x}"] for x in ("gate", "up", "down")}
            elif not whole:
                layer.mlp = WithShared(MixtralConfig(**shared, **mixtral), own)
                continue
            mlp["gate.weight"] = own["w_router"]
            mlp["experts.gate_up_proj"] = torch.cat((own["w_gate"], own["w_up"]), dim=1)
            mlp["experts.down_proj"] = own["w_down"]
        theirs |= {f"model.layers.{i}.mlp.{key}": value for key, value in mlp.items()}
    missing, unexpected = made.load_state_dict(theirs, strict=False)
    assert not unexpected and all(".mlp.routed." in key for key in missing)  # WithShared has its weights already
    return made.eval()


class WithShared(torch.nn.Module):
    """Mixtral's layer and a Llama layer beside it."""

    def __init__(self, config: MixtralConfig, own: dict[str, Tensor]) -> None:
        super().__init__()
        self.routed, self.own = MixtralSparseMoeBlock(config), own
        self.routed.load_state_dict(
            {
                "gate.weight": own["w_router"],
                "experts.gate_up_proj": torch.cat((own["w_gate"], own["w_up"]), dim=1),
                "experts.down_proj": own["w_down"],
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        gate, up, down = (self.own[f"shared_{name}"] for name in ("gate", "up", "down"))
        return self.routed(x) + (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


def routers(made: torch.nn.Module) -> list[torch.nn.Module]:
    return [m for m in made.modules() if type(m).__name__ in ("MixtralTopKRouter", "DeepseekV3TopkRouter")]


# --- the forward pass ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*TOYS, *(f"shipped {name}" for name in VARIANTS)])
@torch.no_grad()
def test_every_number_equals_transformers(name: str) -> None:
    model = tiny_moe.load(name.split()[1]) if " " in name else random_model(TOYS[name])
    cfg, made, seen = model.cfg, reference(model), []
    hooks = [router.register_forward_hook(lambda _m, _i, out: seen.append(out)) for router in routers(made)]
    ids = torch.randint(cfg.vocab_size, (2, min(97, cfg.n_ctx)), generator=rng(2))
    theirs = made(ids).logits
    for hook in hooks:
        hook.remove()
    logits, traces = model(ids)
    torch.testing.assert_close(logits, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)
    assert len(traces) == len(seen) == sum(cfg.sparse(i) for i in range(cfg.n_layer))
    for trace, (logit, weight, index) in zip(traces, seen, strict=True):
        flat = {key: value.flatten(0, 1) for key, value in vars(trace).items()}
        torch.testing.assert_close(flat["logit"], logit, atol=1e-5 * float(logit.abs().max()), rtol=0)
        torch.testing.assert_close(flat["weight"], torch.zeros_like(logit).scatter(1, index, weight), atol=1e-5, rtol=0)
        assert torch.equal(flat["chosen"], torch.zeros_like(logit).scatter(1, index, 1.0) > 0)
        assert torch.equal(flat["kept"], flat["chosen"])
        probability = 1 / (1 + (-logit).exp()) if cfg.gate == "sigmoid_bias" else logit.exp() / logit.exp().sum(1, True)
        torch.testing.assert_close(flat["probability"], probability, atol=1e-5, rtol=0)
    biases = [layer.bias for layer in model.layers if isinstance(layer, Block) and layer.sparse]
    for trace, bias in zip(traces, biases, strict=True):
        moved = bias if cfg.gate == "sigmoid_bias" else 0.0
        torch.testing.assert_close(trace.score, trace.probability + moved)


@pytest.mark.parametrize("name", ["moe", "fine"])
def test_gradients_equal_transformers(name: str) -> None:
    model = random_model(TOYS[name])
    made = reference(model).requires_grad_(True)
    ids = torch.randint(37, (2, 17), generator=rng(3))
    made(ids).logits.square().mean().backward()
    model.requires_grad_(True)(ids)[0].square().mean().backward()
    for mine, router in zip(model.layers, routers(made), strict=True):
        expected = router.weight.grad
        torch.testing.assert_close(mine.w_router.grad, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
        assert expected.abs().max() > 0
    expected = made.model.embed_tokens.weight.grad
    torch.testing.assert_close(model.embedding.grad, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@torch.no_grad()
def test_the_mixture_by_a_loop() -> None:
    block, generator = random_model(FINE).layers[1], rng(4)
    u = torch.randn(2, 19, 23, generator=generator)
    out, trace = block.feed_forward(u, Switches(capacity_factor=0.7), rng())
    expected = torch.zeros_like(u)
    for b in range(2):
        for t in range(19):
            x = u[b, t]
            expected[b, t] = block.shared_down @ (F.silu(block.shared_gate @ x) * (block.shared_up @ x))
            for e in range(13):
                if trace.kept[b, t, e]:
                    hidden = F.silu(block.w_gate[e] @ x) * (block.w_up[e] @ x)
                    expected[b, t] += trace.weight[b, t, e] * (block.w_down[e] @ hidden)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    assert (trace.chosen & ~trace.kept).any()


@pytest.mark.parametrize("name", TOYS)
def test_number_of_weights(name: str) -> None:
    cfg, model = TOYS[name], random_model(TOYS[name])
    assert cfg.n_param() == sum(weight.numel() for weight in model.parameters())
    idle = sum((cfg.n_expert - cfg.top_k) * 3 * 11 * 23 for layer in range(cfg.n_layer) if cfg.sparse(layer))
    assert cfg.n_param(active=True) == cfg.n_param() - idle
    with_router = {"moe": [0, 1, 2], "fine": [0, 1, 2], "second": [1, 3], "dense": []}[name]
    assert [i for i, layer in enumerate(model.layers) if hasattr(layer, "w_router")] == with_router


@torch.no_grad()
def test_later_tokens_change_nothing() -> None:
    model, ids = random_model(FINE), torch.randint(37, (2, 17), generator=rng(5))
    whole, traces = model(ids)
    start, begun = model(ids[:, :11])
    torch.testing.assert_close(whole[:, :11], start, atol=1e-5, rtol=0)
    assert torch.equal(traces[2].chosen[:, :11], begun[2].chosen)


# --- switches --------------------------------------------------------------------------------------------------------

IDS = torch.randint(37, (2, 29), generator=rng(6))


@pytest.mark.parametrize("name", ["moe", "fine"])
@pytest.mark.parametrize("gate", ["", *GATES])
@pytest.mark.parametrize("k", [0, 1, 99])
@torch.no_grad()
def test_every_gate_conserves_what_it_should(name: str, gate: str, k: int) -> None:
    cfg = TOYS[name]
    logits, traces = random_model(cfg)(IDS, Switches(gate=gate, top_k=k, noise=0.3))
    assert logits.isfinite().all()
    for trace in traces:
        total, n = trace.weight.sum(-1), trace.chosen.sum(-1)
        kind = cfg.gate if gate in ("", "random", "untrained") else gate
        if kind in ("renormalised", "topk_softmax", "noisy_topk", "sigmoid_bias", "dense"):
            torch.testing.assert_close(total, torch.ones_like(total))
        elif kind != "expert_choice":
            assert (total <= 1 + 1e-6).all()
        if kind == "dense":
            assert trace.chosen.all()
        elif kind == "expert_choice":
            taken = trace.chosen.flatten(0, 1).sum(0)
            expected = min(58, math.ceil(58 * min(k or cfg.top_k, cfg.n_expert) / cfg.n_expert))
            assert taken.eq(expected).all()
        else:
            assert n.eq(min(k or cfg.top_k, cfg.n_expert)).all()
        assert trace.weight[~trace.chosen].eq(0).all() and (trace.weight >= 0).all()


@torch.no_grad()
def test_all_experts_by_top_k_are_the_dense_gate() -> None:
    model = random_model(MOE)
    torch.testing.assert_close(model(IDS, Switches(top_k=7))[0], model(IDS, Switches(gate="dense"))[0])
    torch.testing.assert_close(model(IDS, Switches(gate="topk_softmax"))[0], model(IDS)[0])
    assert (model(IDS, Switches(gate="softmax_topk"))[0] - model(IDS)[0]).abs().max() > 1e-3


@torch.no_grad()
def test_temperature_is_a_weaker_router() -> None:
    model, weaker = random_model(MOE), random_model(MOE)
    for layer in weaker.layers:
        layer.w_router /= 1.7
    torch.testing.assert_close(model(IDS, Switches(temperature=1.7))[0], weaker(IDS)[0])


@pytest.mark.parametrize("name", ["moe", "fine"])
@torch.no_grad()
def test_without_an_expert_is_a_model_that_never_had_it(name: str) -> None:
    cfg = TOYS[name]
    model, gone = random_model(cfg), 4
    rest = [e for e in range(cfg.n_expert) if e != gone]
    smaller = TinyMoE(replace(cfg, n_expert=cfg.n_expert - 1)).requires_grad_(False)
    per_expert = ("w_router", "bias", "w_gate", "w_up", "w_down")
    weights = {
        key: value[rest] if key.startswith("layers") and key.endswith(per_expert) else value
        for key, value in model.state_dict().items()
    }
    smaller.load_state_dict(weights)
    off = frozenset((layer, gone) for layer in range(3))
    for gate in ("", "softmax_topk", "dense"):
        logits, traces = model(IDS, Switches(gate=gate, without=off))
        expected, theirs = smaller(IDS, Switches(gate=gate))
        torch.testing.assert_close(logits, expected)
        for mine, other in zip(traces, theirs, strict=True):
            assert not mine.chosen[..., gone].any() and mine.probability[..., gone].eq(0).all()
            torch.testing.assert_close(mine.weight[..., rest], other.weight)
    # In one layer only: the other layers keep it.
    only = model(IDS, Switches(without=frozenset({(1, gone)})))[1]
    assert not only[1].chosen[..., gone].any() and only[0].chosen[..., gone].any()


@torch.no_grad()
def test_a_layer_without_any_expert_passes_the_stream_on() -> None:
    for name in ("moe", "fine"):
        cfg = TOYS[name]
        model, mute = random_model(cfg), random_model(cfg)
        mute.layers[1].w_down.zero_()
        how = Switches(without=frozenset((1, e) for e in range(cfg.n_expert)))
        logits, traces = model(IDS, how)
        torch.testing.assert_close(logits, mute(IDS)[0])
        assert not traces[1].chosen.any() and traces[1].weight.eq(0).all()


@torch.no_grad()
def test_shared_experts_can_be_left_out() -> None:
    for name in ("fine", "second"):
        model, mute = random_model(TOYS[name]), random_model(TOYS[name])
        for layer in mute.layers:
            if layer.sparse:
                layer.shared_down.zero_()
        torch.testing.assert_close(model(IDS, Switches(shared=False))[0], mute(IDS)[0])
        assert (model(IDS)[0] - mute(IDS)[0]).abs().max() > 1e-3
    # A dense layer is no shared expert: it stays.
    model = random_model(DENSE)
    assert torch.equal(model(IDS, Switches(shared=False))[0], model(IDS)[0])


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 1.25])
@torch.no_grad()
def test_capacity(factor: float) -> None:
    limit = math.ceil(factor * 58 * 3 / 7)
    traces = random_model(MOE)(IDS, Switches(capacity_factor=factor))[1]
    dropped = 0
    for trace in traces:
        for e in range(7):
            queue = [(b, t) for b in range(2) for t in range(29) if trace.chosen[b, t, e]]
            served = [(b, t) for b in range(2) for t in range(29) if trace.kept[b, t, e]]
            assert served == queue[:limit]
            dropped += len(queue) - len(served)
        assert trace.weight[~trace.kept].eq(0).all() and (trace.weight[trace.kept] > 0).all()
        assert trace.chosen.sum(-1).eq(3).all()
    assert dropped > 0
    whole = random_model(MOE)(IDS, Switches(capacity_factor=7.0))
    assert torch.equal(whole[0], random_model(MOE)(IDS)[0])


@torch.no_grad()
def test_a_token_dropped_everywhere_keeps_its_stream() -> None:
    block = random_model(MOE).layers[0]
    u = torch.randn(1, 41, 23, generator=rng(7))
    out, trace = block.feed_forward(u, Switches(capacity_factor=0.05), rng())
    lost = ~trace.kept.any(-1)
    assert lost.any() and not lost.all()
    assert out[lost].eq(0).all() and out[~lost].ne(0).any(-1).all()


@torch.no_grad()
def test_noise_and_routers_that_do_not_look() -> None:
    model, other = random_model(MOE), torch.randint(37, (2, 29), generator=rng(8))

    def chosen(ids: Tensor, **switches: object) -> Tensor:
        return torch.stack([trace.chosen for trace in model(ids, Switches(**switches))[1]])

    for switches in ({"gate": "random"}, {"gate": "untrained"}, {"noise": 0.5}, {"gate": "noisy_topk", "noise": 2.0}):
        assert torch.equal(chosen(IDS, **switches), chosen(IDS, **switches)), switches
        assert not torch.equal(chosen(IDS, **switches), chosen(IDS, **switches, seed=1)), switches
        assert not torch.equal(chosen(IDS, **switches), chosen(IDS)), switches
    assert torch.equal(chosen(IDS, gate="random"), chosen(other, gate="random"))
    assert not torch.equal(chosen(IDS, gate="untrained"), chosen(other, gate="untrained"))
    assert torch.equal(chosen(IDS, gate="noisy_topk"), chosen(IDS))  # no noise, no change
    # Noisy top-k has its noise in what is compared; the other gates have it in what the router reads.
    plain, noisy, jittered = (
        model(IDS, how)[1][0] for how in (Switches(), Switches(gate="noisy_topk", noise=2.0), Switches(noise=0.5))
    )
    assert torch.equal(noisy.logit, plain.logit) and 1.8 < float((noisy.score - plain.logit).std()) < 2.2
    assert torch.equal(jittered.score, jittered.probability) and not torch.equal(jittered.logit, plain.logit)
    # One token alone, in every row the same: a router that looks sends it to the same experts.
    same = IDS[:1].expand(2, -1)
    for gate, equal in (("untrained", True), ("random", False)):
        rows = chosen(same, gate=gate)
        assert torch.equal(rows[:, 0], rows[:, 1]) is equal


@torch.no_grad()
def test_groups_are_limited() -> None:
    cfg = replace(FINE, n_expert=12, top_k=4)
    for trace in random_model(cfg)(IDS, Switches(gate="group_limited"))[1]:
        groups = trace.chosen.unflatten(-1, (4, 3)).any(-1).sum(-1)
        assert groups.max() == 2
    free = random_model(cfg)(IDS, Switches(gate="softmax_topk"))[1]
    assert max(int(trace.chosen.unflatten(-1, (4, 3)).any(-1).sum(-1).max()) for trace in free) > 2


def test_threads_share_one_model() -> None:
    model = tiny_moe.load("fine")
    jobs = [Switches(top_k=1 + i % 5, without=frozenset({(i % 4, i)})) for i in range(12)]
    ids = torch.tensor([tiny_moe.encode("def f(x):\n    return 床前明月光")])
    with torch.no_grad():
        alone = [model(ids, how)[0] for how in jobs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda how: model(ids, how)[0], jobs))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    assert not any(weight.requires_grad for weight in model.parameters())


# --- the shipped files -----------------------------------------------------------------------------------------------


def test_card_describes_the_files() -> None:
    assert set(CARD["models"]) == set(VARIANTS)
    for name, card in CARD["models"].items():
        file = WEIGHTS / f"tiny_moe_{name}.safetensors"
        assert card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert card["config"] == asdict(CONFIGS[name])
        assert card["n_param"] == sum(weight.numel() for weight in tiny_moe.load(name).parameters())
        assert card["n_active"] == CONFIGS[name].n_param(active=True)
        assert card["loss_curve"][-1][0] == sum(phase["n_step"] for phase in CARD["recipe"]["phases"])
    assert sum(path.stat().st_size for path in WEIGHTS.glob("tiny_moe*")) < 8.2e6
    assert sum(card["seconds"] for card in CARD["models"].values()) < 4 * 90 * 60
    assert CARD["tokens_seen"] == training.Recipe().n_token


def test_the_twins_are_equal_where_they_should_be() -> None:
    routers_only = 4 * 16 * 96
    active = {name: CONFIGS[name].n_param(active=True) for name in VARIANTS}
    assert max(active[name] - active["dense_active"] for name in ("moe", "fine")) <= routers_only
    assert CONFIGS["moe"].n_param() - CONFIGS["dense_total"].n_param() == 4 * 8 * 96  # the router alone
    assert {CONFIGS[name].d_active for name in ("moe", "fine", "dense_active")} == {180}


def test_held_out_rows() -> None:
    rows = tiny_moe.held_out()
    bos = tiny_moe.encode("")[0]
    assert tuple(rows) == DOMAINS
    for name, ids in rows.items():
        assert ids.shape == (16, 256) and ids[:, 0].eq(bos).all() and ids.min() >= 0 and ids.max() < 2048
        assert len(torch.unique(ids, dim=0)) == 16
        text = "".join(tiny_moe.label(ids.flatten().tolist()))
        assert {"shakespeare": "VIOLA", "chinese": "。", "python": "def "}[name] in text


def test_held_out_rows_are_cut_from_the_documents() -> None:
    tokenizer = tiny_moe.tiny_lm.load().tokenizer
    texts = [f"line {i} of some text\n" * 7 for i in range(5)]
    bos = tokenizer.get_vocab()["<bos>"]
    ids = [i for text in texts for i in (bos, *tokenizer.encode(text).ids)]
    whole = training.held_out_rows(texts, tokenizer, 24)
    assert whole.tolist() == [[bos, *ids[23 * i : 23 * i + 23]] for i in range(len(ids) // 23)]
    spread = training.held_out_rows(texts, tokenizer, 24, 4)
    step = (len(ids) - 24) // 3
    assert spread.tolist() == [[bos, *ids[step * i : step * i + 23]] for i in range(4)]


def test_damaged_files_are_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (WEIGHTS / "tiny_moe_moe.safetensors").read_bytes()
    (tmp_path / "tiny_moe_moe.safetensors").write_bytes(whole[:1000])
    monkeypatch.setattr(tiny_moe, "WEIGHTS", tmp_path)
    tiny_moe.load.cache_clear()
    tiny_moe.held_out.cache_clear()
    with pytest.raises(ModelUnavailable):
        tiny_moe.load("moe")
    with pytest.raises(ModelUnavailable):
        tiny_moe.held_out()
    monkeypatch.undo()
    tiny_moe.load.cache_clear()
    tiny_moe.held_out.cache_clear()


# --- training --------------------------------------------------------------------------------------------------------


def toy_streams() -> list[Stream]:
    ids = torch.randint(1, 37, (400,), generator=rng())
    return [Stream(ids, torch.arange(0, 300, 7)), Stream(ids.flip(0), torch.arange(0, 300, 11))]


TOY = training.Recipe(phases=(Phase(3, 5, 16, 0.0), Phase(4, 3, 32, 0.0)), n_warmup=2, gamma=0.5)


@pytest.mark.parametrize("name", TOYS)
def test_training_stopped_and_resumed_ends_at_the_same_weights(name: str, tmp_path: Path) -> None:
    def train(file: str, stop_at: int | None = None) -> tuple[TinyMoE, list[float]]:
        model, log = training.train(TOYS[name], TOY, toy_streams(), 0, tmp_path / file, stop_at)
        return model, log.losses

    through, losses = train("a.pt")
    train("b.pt", 4)
    resumed, resumed_losses = train("b.pt")
    assert losses == resumed_losses and len(losses) == 7
    for (key, a), b in zip(through.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), key
        if key.endswith("bias"):
            assert a.any() == (name == "fine")
    with pytest.raises(SystemExit, match="another recipe"):
        training.train(TOYS[name], training.Recipe(), toy_streams(), 0, tmp_path / "b.pt")


@torch.no_grad()
def test_balance_loss_by_loops() -> None:
    recipe = replace(TOY, alpha=0.3, zeta=0.7, alpha_sequence=0.9)
    trace = random_model(MOE)(IDS)[1][1]
    switch, z = 0.0, 0.0
    for e in range(7):
        f = sum(bool(trace.chosen[b, t, e]) for b in range(2) for t in range(29)) / (58 * 3)
        p = sum(float(trace.probability[b, t, e]) for b in range(2) for t in range(29)) / 58
        switch += 0.3 * 7 * f * p
    for b in range(2):
        for t in range(29):
            z += 0.7 * math.log(sum(math.exp(float(x)) for x in trace.logit[b, t])) ** 2 / 58
    assert float(training.balance_loss(trace, MOE, recipe)) == pytest.approx(switch + z, rel=1e-5)

    trace = random_model(FINE)(IDS)[1][1]
    total = 0.0
    for b in range(2):  # DeepSeek-V3, equations (17) to (20): f counts over one sequence, P shares of the sigmoids
        for e in range(13):
            f = 13 / (5 * 29) * sum(bool(trace.chosen[b, t, e]) for t in range(29))
            p = sum(float(trace.probability[b, t, e] / trace.probability[b, t].sum()) for t in range(29)) / 29
            total += 0.9 * f * p / 2
    assert float(training.balance_loss(trace, FINE, recipe)) == pytest.approx(total, rel=1e-5)


def test_one_step_moves_the_bias_by_gamma(tmp_path: Path) -> None:
    before = TinyMoE(FINE, rng(TOY.seed))
    ids = training.tiny_lm.batch(toy_streams(), TOY, 37, 0, 0)
    with torch.no_grad():
        traces = before(ids)[1]
    after = training.train(FINE, TOY, toy_streams(), 0, tmp_path / "a.pt", stop_at=1)[0]
    for layer, trace in zip(after.layers, traces, strict=True):
        count = trace.chosen.flatten(0, 1).sum(0).float()
        assert torch.equal(layer.bias, torch.where(count > count.mean(), -0.5, 0.5))
