"""What the heads of a language model look at, what each head is good at, and what happens without it.

Sources: heads, Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2. Shared keys, Ainslie et al. 2023,
"GQA", section 2.2. Switching a head off: Michel et al. 2019, "Are Sixteen Heads Really Better than One?", section 3;
Olsson et al. 2022, "In-context Learning and Induction Heads", "Argument 3". The scores of a head: models/head_roles.py.

    A_h = softmax(Q_h K_g^T / sqrt(d_head) + mask)      z_h = A_h V_g      g = h // (n_head / n_kv_head)
    x'  = x + sum_h z_h W_O^h                           without head h: z_h = 0, everything else as it was

Glossary
    Q, K, V       query, key, value, after RoPE where the model has it       A    attention
    z             one head's mixture of values                               g    key/value head that query head h reads
    raw           Q K^T / sqrt(d_head), before mask and softmax              ablate   (layer, head) pairs switched off
    surprise      KL(before || after) = sum_v before (log2 before - log2 after): what the prediction loses, in bits

Axes: l layer, h query head, g key/value head, t query position, s key position, d head feature, m thumbnail pixel,
n score, k candidate for the next token, v vocabulary. Layers, heads and positions count from 0.

Convention: with heads switched off, every picture shows the model that is left; `score_intact` and `before` keep the
whole model's numbers. Simplified: only the token after the last is predicted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from models.fields import Choice, Range, Text, no_tick
from models.grouped_attention import causal_softmax, grouped_attention, key_heads, kv_bytes, raw_scores
from models.head_claims import CLAIMS, TEXT
from models.head_reading import N_TOKEN, look, next_tokens, parse_heads
from models.head_roles import ROLE, SCORES, Pair, earlier_copy, overlap, strongest_relation
from models.language_model import load

__all__ = ["CLAIMS", "Config", "Trace", "check", "facts", "opened", "switched", "trace"]

TITLES = {"tiny-lm": "tiny LM", "minilm": "MiniLM", "smollm2": "SmolLM2"}
N_MAP = 300  # thumbnails that one grid can hold


@dataclass(frozen=True)
class Config:
    """A model, a text, one head to look at, and heads to switch off."""

    model: Annotated[str, Choice("tiny-lm", "minilm", "smollm2", "own")] = "tiny-lm"
    own: Annotated[str, Text(200)] = ""  # Hugging Face id or local folder, for model = "own"
    text: Annotated[str, Text(2_000)] = TEXT
    order: Annotated[str, Choice("layer", *SCORES)] = "layer"
    layer: Annotated[int, Range(0, 63)] = 1  # past the model's last: the last
    head: Annotated[int, Range(0, 63)] = 0
    view: Annotated[str, Choice("matrix", "arcs", "text")] = "matrix"
    focus: Annotated[int, Range(-1, N_TOKEN - 1)] = -1  # token to look from; -1: where the strongest relation starts
    ablate: Annotated[str, Text(200)] = ""  # "3.1 5.0": layer.head, any number of them


@dataclass(frozen=True)
class Trace:
    """All heads small, one head in full, and the next token with and without the heads switched off."""

    name: str
    causal: bool
    n_kv_head: int
    label: tuple[str, ...]
    ids: Int[Tensor, "t"]
    n_cut: int  # tokens of the text left out
    view: str
    layer: int
    head: int
    focus: int
    order: Int[Tensor, "i"]  # layer * n_head + head, in the order the grid shows them; at most N_MAP
    order_by: str
    maps: UInt8[Tensor, "l h m m"]  # 255 = attention 1; the largest weight under each pixel, so thin lines survive
    score: Float[Tensor, "n l h"]  # rows as in SCORES
    score_intact: Float[Tensor, "n l h"]
    n_repeat: int  # positions that the induction score is a mean over
    raw: Float[Tensor, "t s"]  # chosen head: q_t . k_s / sqrt(d_head), before the mask
    attention: Float[Tensor, "t s"]  # chosen head
    gap: float  # largest |softmax(raw + mask) - attention|: over 0.001, the model adds something else to its scores
    query: Float[Tensor, "t d"]
    key: Float[Tensor, "t d"]
    value: Float[Tensor, "t d"]
    key_head: Int[Tensor, "h"]  # the key/value head that each query head reads
    overlap: Float[Tensor, "h h"]  # chosen layer: attention that two heads have in common
    overlap_within: float  # all layers: mean over pairs that share keys; 0 if no two heads do
    overlap_across: float  # all layers: mean over pairs that do not; 0 if all heads share
    relation: tuple[int, int]  # (t, s) of the strongest relation between words; (-1, -1) if there is none
    relation_weight: float
    next_label: tuple[str, ...]  # empty for an encoder
    before: Float[Tensor, "k"]
    after: Float[Tensor, "k"]
    surprise: float  # KL divergence of the next token's distribution, intact from ablated, in bits
    ablate: tuple[Pair, ...]
    ablate_bad: tuple[str, ...]  # parts of Config.ablate that name no head of this model


def shown_order(score: Float[Tensor, "n l h"], order: str, layer: int) -> Int[Tensor, "i"]:
    """layer * n_head + head of the heads that the grid shows: the highest score first, for entropy the sharpest head.

    Of a model with more heads than fit, the first ones; by layer, whole layers around the chosen one.
    """
    n_layer, n_head = score.shape[1:]
    if order != "layer":
        flat = score[SCORES.index(order)].flatten()
        return flat.argsort(descending=order != "entropy", stable=True)[:N_MAP]
    n_row = min(n_layer, max(1, N_MAP // n_head))
    first = min(max(0, layer - n_row // 2), n_layer - n_row)
    return torch.arange(first * n_head, (first + n_row) * n_head)[:N_MAP]


@torch.no_grad()
def trace(cfg: Config, tick: Callable[[float], None] = no_tick) -> Trace:
    """Read the text, look at one head in full and at all of them small.

    Raises ModelUnavailable when the model cannot be had.
    """
    tick(0.0)
    name = cfg.own.strip() if cfg.model == "own" else cfg.model
    model = load(name)
    ablate, bad = parse_heads(cfg.ablate, model.n_layer, model.n_head)
    tick(0.1)
    intact = look(name, cfg.text, frozenset())
    tick(0.5)
    shown = look(name, cfg.text, ablate) if ablate else intact
    tick(0.9)
    reading = shown.reading
    layer, head = min(cfg.layer, model.n_layer - 1), min(cfg.head, model.n_head - 1)
    key_head = key_heads(model.n_head, model.n_kv_head)
    query, key = reading.query[layer, head], reading.key[layer, key_head[head]]
    raw, attention = raw_scores(query, key), reading.attention[layer, head]
    frame = set(model.encode(""))
    special = [i in frame for i in reading.ids.tolist()]
    relation, weight = strongest_relation(attention, reading.label, special)
    top, before, after, surprise = next_tokens(intact.reading.logit, reading.logit)
    n_token = len(reading.ids)
    return Trace(
        name=TITLES.get(model.name, model.name),
        causal=model.causal,
        n_kv_head=model.n_kv_head,
        label=reading.label,
        ids=reading.ids,
        n_cut=shown.n_cut,
        view=cfg.view,
        layer=layer,
        head=head,
        focus=min(cfg.focus, n_token - 1) if cfg.focus >= 0 else max(relation[0], 0),
        order=shown_order(shown.score, cfg.order, layer),
        order_by=cfg.order,
        maps=shown.maps,
        score=shown.score,
        score_intact=intact.score,
        n_repeat=len(earlier_copy(reading.ids)),
        raw=raw,
        attention=attention,
        gap=float((causal_softmax(raw, model.causal) - attention).abs().max()),
        query=query,
        key=key,
        value=reading.value[layer, key_head[head]],
        key_head=key_head,
        overlap=overlap(reading.attention[layer]),
        overlap_within=shown.overlap_within,
        overlap_across=shown.overlap_across,
        relation=relation,
        relation_weight=weight,
        next_label=model.label(top.tolist()),
        before=before,
        after=after,
        surprise=surprise,
        ablate=tuple(sorted(ablate)),
        ablate_bad=bad,
    )


def opened(trace: Trace, selected: Sequence[int]) -> dict[str, int]:
    """The Config fields of the head that is selected in the grid."""
    if not selected:
        return {}
    layer, head = divmod(int(trace.order[selected[-1]]), len(trace.key_head))
    return {"layer": layer, "head": head}


def switched(trace: Trace, marked: Sequence[int]) -> dict[str, str]:
    """The Config field of the heads that are crossed out in the grid. Those that are off and not in it stay off."""
    n_head = len(trace.key_head)
    shown = set(trace.order.tolist())
    off = {divmod(int(trace.order[i]), n_head) for i in marked}
    off |= {pair for pair in trace.ablate if pair[0] * n_head + pair[1] not in shown}
    return {"ablate": " ".join(f"{layer}.{head}" for layer, head in sorted(off))}


# --- what the captions say, and what the claims rest on --------------------------------------------------------------


def facts(trace: Trace) -> dict[str, float | int | str]:
    """The numbers and tokens that the captions name. A head is written layer.head; a missing one is an empty string."""
    n_layer, n_head = trace.score.shape[1:]
    said: dict[str, float | int | str] = {
        "model": trace.name,
        "layer": trace.layer,
        "head": trace.head,
        "n_layer": n_layer,
        "n_head": n_head,
        "last_layer": n_layer - 1,
        "last_head": n_head - 1,
        "n_all": n_layer * n_head,
        "n_shown": len(trace.order),
        "n_token": len(trace.label),
        "n_cut": trace.n_cut,
        "n_repeat": trace.n_repeat,
        "role": ROLE,
        "gap": trace.gap,
    }
    for i, name in enumerate(SCORES):
        score, intact = trace.score[i], trace.score_intact[i]
        best = int(score.argmin() if name == "entropy" else score.argmax())
        said[name] = float(score[trace.layer, trace.head])
        said[f"{name}_intact"] = float(intact[trace.layer, trace.head])
        said[f"{name}_best"] = f"{best // n_head}.{best % n_head}"
        said[f"{name}_best_score"] = float(score.flatten()[best])
        said[f"{name}_mean"] = float(score.mean())
        if name != "entropy":
            said[f"{name}_count"] = int((score > ROLE).sum())  # heads that have this role
    length = trace.value.norm(dim=-1)
    said["first"] = trace.label[0].strip()
    # How much a look at the first token brings in, against a look elsewhere.
    said["sink_value"] = float(length[0] / length[1:].mean()) if len(length) > 1 and length[1:].any() else 1.0
    said["spread"] = 2 ** float(said["entropy"])
    said["roles"] = int((trace.score[:4] > ROLE).any(0).sum())  # heads with at least one role
    t, s = trace.relation
    said |= {"relation": trace.relation_weight, "from": "", "to": ""}
    if t >= 0:
        said |= {"from": trace.label[t].strip(), "to": trace.label[s].strip()}
    said |= _group_facts(trace) | _next_facts(trace)
    return said


def _group_facts(trace: Trace) -> dict[str, float | int | str]:
    n_layer, n_head = trace.score.shape[1:]
    mine = trace.key_head == trace.key_head[trace.head]
    others = [h for h in mine.nonzero().flatten().tolist() if h != trace.head]
    return {
        "n_kv_head": trace.n_kv_head,
        "group_size": n_head // trace.n_kv_head,
        "key_head": int(trace.key_head[trace.head]),
        "shared_with": ", ".join(f"{trace.layer}.{h}" for h in others),
        "overlap_group": float(trace.overlap[trace.head, others].mean()) if others else 1.0,
        "overlap_within": trace.overlap_within,
        "overlap_across": trace.overlap_across,
        "kv_bytes": kv_bytes(n_layer, trace.n_kv_head, trace.key.shape[1]),
        "kv_bytes_mha": kv_bytes(n_layer, n_head, trace.key.shape[1]),
    }


def _next_facts(trace: Trace) -> dict[str, float | int | str]:
    said: dict[str, float | int | str] = {
        "ablated": ", ".join(f"{layer}.{head}" for layer, head in trace.ablate),
        "n_ablated": len(trace.ablate),
        "bad": ", ".join(part[:12] for part in trace.ablate_bad[:5]),
        "n_bad": len(trace.ablate_bad),
        "surprise": trace.surprise,
        "top": "",
        "top_after": "",
        "p_before": 0.0,
        "p_after": 0.0,
        "p_top_after": 0.0,
        "falls": "no",
    }
    if trace.next_label:
        best = int(trace.after.argmax())
        said |= {"top": trace.next_label[0], "p_before": float(trace.before[0]), "p_after": float(trace.after[0])}
        said |= {"top_after": trace.next_label[best], "p_top_after": float(trace.after[best])}
        ratio = float(trace.after[0] / trace.before[0])
        said["falls"] = "gone" if ratio < 0.5 else "less" if ratio < 0.95 else "more" if ratio > 1.05 else "same"
    return said


@torch.no_grad()
def check(cfg: Config) -> dict[str, float]:
    """The chosen layer's attention and z, computed again by PyTorch's own attention and by the model's own library."""
    name = cfg.own.strip() if cfg.model == "own" else cfg.model
    model = load(name)
    ablate, _ = parse_heads(cfg.ablate, model.n_layer, model.n_head)
    reading = look(name, cfg.text, ablate).reading
    layer = min(cfg.layer, model.n_layer - 1)
    query, key, value, attention = (x[layer] for x in (reading.query, reading.key, reading.value, reading.attention))
    found = {"sum_s A[t, s] = 1": float((attention.sum(-1) - 1).abs().max())}
    z, again = grouped_attention(query, key, value, model.causal)
    found["A = softmax(Q Kᵀ / √d_head)"] = float((again - attention).abs().max())
    torch_z = F.scaled_dot_product_attention(
        query[None], key[None], value[None], is_causal=model.causal, enable_gqa=model.n_kv_head != model.n_head
    )[0]
    found["z = scaled_dot_product_attention"] = float((torch_z - z).abs().max())
    # Models that come from transformers: the attentions that the library itself returns. It knows no ablation.
    library = getattr(model, "_model", None)
    if library is not None and not ablate:
        ids = reading.ids[None]
        own = library(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True).attentions
        found["A = output_attentions"] = float((own[layer][0] - attention).abs().max())
    return found
