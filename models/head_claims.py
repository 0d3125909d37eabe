"""The live numbers behind the claims about attention heads. Each function returns what the claim's answer names.

Sources: Ainslie et al. 2023, "GQA", section 2.2; Touvron et al. 2023, "Llama 2", appendix A.2.1, table 18; Clark et al.
2019, "What Does BERT Look At?", section 3; Jain & Wallace 2019, "Attention is not Explanation", section 4.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from models.grouped_attention import grouped_attention, kv_bytes, raw_scores
from models.head_reading import look, next_tokens
from models.head_roles import ROLE, overlap
from models.language_model import load

Live = dict[str, float | int | str]

# A name that no training text holds, begun a second time: only a head that copies can finish it.
TEXT = "The inventor Zilberkov built a clock. The inventor Z"


def claim_gqa_ends() -> Live:
    """GQA with one group against MQA, with n_head groups against MHA, and MQA against a single head."""
    n_head, n_token, d_head = 6, 11, 7
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, n_head, n_token, d_head, generator=generator)
    mqa = torch.stack([(raw_scores(q, key[0]).softmax(-1)) @ value[0] for q in query])
    mha = F.scaled_dot_product_attention(query, key, value)
    one_group, attention = grouped_attention(query, key[:1], value[:1], causal=False)
    common = overlap(attention)[~torch.eye(n_head, dtype=torch.bool)]
    return {
        "n_head": n_head,
        "mqa": float((one_group - mqa).abs().max()),
        "mha": float((grouped_attention(query, key, value, causal=False)[0] - mha).abs().max()),
        "overlap": float(common.mean()),
    }


def claim_kv_cache() -> Live:
    """Llama 2's KV cache: 70B as it is and with a key head per query head, and 7B, in KiB per token."""
    gqa, mha, small = kv_bytes(80, 8, 128), kv_bytes(80, 64, 128), kv_bytes(32, 32, 128)
    gib = 4096 / 2**30
    return {
        "gqa": gqa // 1024,
        "mha": mha // 1024,
        "small": small // 1024,
        "context": 4096,
        "gqa_gib": gqa * gib,
        "mha_gib": mha * gib,
    }


# Touvron et al. 2023, "Llama 2", table 18: BoolQ, PIQA, SIQA, HellaSwag, ARC-e, ARC-c, NQ, TQA, MMLU, GSM8K, HumanEval.
LLAMA2_MHA = (71.0, 79.3, 48.2, 75.1, 71.2, 43.0, 12.4, 44.7, 28.0, 4.9, 7.9)
LLAMA2_MQA = (70.6, 79.0, 47.9, 74.5, 71.6, 41.9, 14.5, 42.8, 26.5, 4.8, 7.3)
LLAMA2_GQA = (69.4, 78.8, 48.6, 75.4, 72.1, 42.5, 14.0, 46.2, 26.9, 5.3, 7.9)


def claim_mha_best() -> Live:
    """On how many of table 18's eleven tasks MHA is ahead of GQA, and the three means."""
    pairs = list(zip(LLAMA2_MHA, LLAMA2_GQA, strict=True))
    return {
        "n_task": len(pairs),
        "ahead": sum(mha > gqa for mha, gqa in pairs),
        "behind": sum(mha < gqa for mha, gqa in pairs),
        "mha": sum(LLAMA2_MHA) / len(pairs),
        "mqa": sum(LLAMA2_MQA) / len(pairs),
        "gqa": sum(LLAMA2_GQA) / len(pairs),
    }


def claim_one_role() -> Live:
    """How many heads of the small model have one of the four roles, several, or none."""
    score = look("tiny-lm", TEXT, frozenset()).score[:4]
    roles = (score > ROLE).sum(0).flatten()
    return {
        "n_all": len(roles),
        "role": ROLE,
        "none": int((roles == 0).sum()),
        "one": int((roles == 1).sum()),
        "several": int((roles > 1).sum()),
    }


def claim_sharp_heads() -> Live:
    """Each head of the small model switched off in turn: does the sharpest map matter most?"""
    model = load("tiny-lm")
    intact = look("tiny-lm", TEXT, frozenset())
    ids = intact.reading.ids.tolist()
    pairs = [(layer, head) for layer in range(model.n_layer) for head in range(model.n_head)]
    loss = [next_tokens(intact.reading.logit, model.read(ids, frozenset({p})).logit)[3] for p in pairs]
    peak = intact.reading.attention[..., 1:, :].amax(-1).mean(-1).flatten()  # row 0 of a causal model is always 1
    sharp, vital = int(peak.argmax()), max(range(len(pairs)), key=loss.__getitem__)
    ranks = [x.argsort().argsort().float() for x in (peak, torch.tensor(loss))]
    return {
        "n_all": len(pairs),
        "sharp": "{}.{}".format(*pairs[sharp]),
        "sharp_peak": float(peak[sharp]),
        "sharp_loss": loss[sharp],
        "sharp_rank": sorted(loss, reverse=True).index(loss[sharp]) + 1,
        "vital": "{}.{}".format(*pairs[vital]),
        "vital_peak": float(peak[vital]),
        "vital_loss": loss[vital],
        "correlation": float(torch.corrcoef(torch.stack(ranks))[0, 1]),
    }


CLAIMS: dict[str, Callable[[], Live]] = {
    "gqa_ends": claim_gqa_ends,
    "kv_cache": claim_kv_cache,
    "mha_best": claim_mha_best,
    "one_role": claim_one_role,
    "sharp_heads": claim_sharp_heads,
}
