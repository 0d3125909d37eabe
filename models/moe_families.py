"""From the numbers in a config.json to the parameters of every layer: one function for each family of models.

Each follows the module it names in transformers 5.23, whose parameters are the reference (models/moe_meta.py).
Families: Llama and Mistral (grouped-query attention, an FFN with a gate); Mixtral; Qwen2-MoE, Qwen3-MoE and Qwen3-Next
(three of four layers with gated DeltaNet); DeepSeek-V2 and V3, also Kimi K2 (multi-head latent attention); Llama 4; and
the Switch Transformer, an encoder and a decoder as in T5.

A field that is not in the config has the value that it has in transformers, but for those without which no model has a
size: they are asked for.

Glossary
    d     hidden_size                        h, h_kv   query heads, key-value heads
    d_h   features of a head                 ff        intermediate size of an FFN or an expert
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.moe_shapes import Layer, Shape

Values = Mapping[str, object]
LARGEST = 10_000_000  # of any number in a config
MOST_LAYERS = 1000
MAY_BE_ZERO = ("first_k_dense_replace", "n_shared_experts")


class Missing(KeyError):
    """A field that the family cannot do without."""


class Bad(ValueError):
    """A field that is no whole number in its range: its name, what it is instead, the range."""

    def __init__(self, name: str, value: object, low: int, high: int) -> None:
        super().__init__(name)
        self.name, self.value, self.low, self.high = name, value, low, high


class Fields:
    """A config's numbers, with what transformers takes for those that are left out."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def __call__(self, name: str, *default: int, null: int | None = None) -> int:
        """The field's value; default if it is left out, null if the config says null. Raises Missing or Bad."""
        value = self.values.get(name)
        if value is None:
            if null is not None and name in self.values:
                return null
            if not default:
                raise Missing(name)
            return default[0]
        return whole(name, value, 0 if name in MAY_BE_ZERO else 1)

    def on(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name)
        return default if value is None else bool(value)

    def several(self, name: str) -> list[int]:
        value = self.values.get(name)
        return [whole(name, one, 0) for one in value] if isinstance(value, list | tuple) else []


def whole(name: str, value: object, low: int = 0) -> int:
    """The value if it is a whole number that a model could have. Raises Bad."""
    high = MOST_LAYERS if "layers" in name else LARGEST
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or not low <= value <= high:
        raise Bad(name, value, low, high)
    return int(value)


def gated(d: int, ff: int) -> int:
    """Gate, up and down."""
    return 3 * d * ff


def grouped(f: Fields, d_head: int, gate: int = 1) -> tuple[int, int]:
    """Matrices and biases of grouped-query attention; gate 2: the queries come with a gate for the output."""
    d, h, h_kv = f("hidden_size"), f("num_attention_heads"), key_heads(f)
    matrices = d * d_head * (gate * h + 2 * h_kv) + h * d_head * d
    return matrices, (d_head * (gate * h + 2 * h_kv) + d if f.on("attention_bias") else 0)


def key_heads(f: Fields) -> int:
    """Key-value heads: as many as heads if the config says null, in Llama also if it does not say."""
    h = f("num_attention_heads")
    return f("num_key_value_heads", *([h] if f.values["model_type"] == "llama" else []), null=h)


def head_width(f: Fields) -> int:
    return f("head_dim", f("hidden_size") // f("num_attention_heads"))


def model(f: Fields, layers: list[Layer], n_expert: int = 0, top_k: int = 0) -> Shape:
    """A decoder: embedding, layers, last norm, and a head of its own unless it is the embedding once more."""
    d = f("hidden_size")
    table = f("vocab_size") * d
    head = 0 if f.on("tie_word_embeddings") else table
    return Shape(d, n_expert, top_k, table, head, d, tuple(layers))


def llama(f: Fields) -> Shape:
    """LlamaForCausalLM, MistralForCausalLM."""
    d, ff = f("hidden_size"), f("intermediate_size")
    matrices, biases = grouped(f, head_width(f))
    biases += 2 * ff + d if f.on("mlp_bias") else 0
    layer = Layer("attention", "dense", matrices, dense=gated(d, ff), vector=2 * d + biases)
    return model(f, [layer] * f("num_hidden_layers"))


def mixtral(f: Fields) -> Shape:
    """MixtralForCausalLM: experts in every layer."""
    d, n = f("hidden_size"), f("num_local_experts", 8)
    matrices, _ = grouped(f, head_width(f))
    layer = Layer("attention", "moe", matrices, router=n * d, expert=gated(d, f("intermediate_size")), vector=2 * d)
    return model(f, [layer] * f("num_hidden_layers"), n, f("num_experts_per_tok", 2))


def qwen(f: Fields) -> Shape:
    """Qwen2MoeForCausalLM, Qwen3MoeForCausalLM, Qwen3NextForCausalLM."""
    kind = f.values["model_type"]
    d, n = f("hidden_size"), f("num_experts")
    own = {"qwen2_moe": d // f("num_attention_heads"), "qwen3_next": 256}
    d_head = f("head_dim", own.get(str(kind), d // f("num_attention_heads")))
    matrices, biases = grouped(f, d_head, gate=2 if kind == "qwen3_next" else 1)
    if kind == "qwen2_moe":
        biases = d_head * (f("num_attention_heads") + 2 * key_heads(f)) if f.on("qkv_bias", True) else 0
    else:
        biases += 2 * d_head  # norms of queries and keys
    shared = 0
    if kind != "qwen3_moe":
        shared = gated(d, f("shared_expert_intermediate_size"))
    router = n * d + (d if shared else 0)  # the shared expert has a gate of one row
    layers = []
    for i in range(f("num_hidden_layers")):
        full = kind != "qwen3_next" or not (i + 1) % f("full_attention_interval", 4)
        mixer, mixing, vector = ("attention", matrices, biases) if full else ("linear", *delta(f))
        step = f("decoder_sparse_step", 1)
        if i not in f.several("mlp_only_layers") and n > 0 and not (i + 1) % step:
            expert, ffn = gated(d, f("moe_intermediate_size")), "shared" if shared else "moe"
            layers.append(Layer(mixer, ffn, mixing, 0, router, shared, expert, 2 * d + vector))
        else:
            layers.append(Layer(mixer, "dense", mixing, gated(d, f("intermediate_size")), vector=2 * d + vector))
    return model(f, layers, n, f("num_experts_per_tok"))


def delta(f: Fields) -> tuple[int, int]:
    """Matrices and vectors of Qwen3NextGatedDeltaNet: queries, keys, values and gates; two numbers per value head;
    a short convolution over queries, keys and values; the output."""
    d = f("hidden_size")
    key = f("linear_num_key_heads", 16) * f("linear_key_head_dim", 128)
    h_value, d_value = f("linear_num_value_heads", 32), f("linear_value_head_dim", 128)
    value = h_value * d_value
    convolution = (2 * key + value) * f("linear_conv_kernel_dim", 4)
    matrices = d * (2 * key + 2 * value) + d * 2 * h_value + convolution + value * d
    return matrices, 2 * h_value + d_value


def deepseek(f: Fields) -> Shape:
    """DeepseekV2ForCausalLM, DeepseekV3ForCausalLM: the first layers dense, then shared and routed experts."""
    d, h, n = f("hidden_size"), f("num_attention_heads"), f("n_routed_experts")
    d_q, d_c, d_rope = f("q_lora_rank", 1536, null=0), f("kv_lora_rank"), f("qk_rope_head_dim")
    d_nope, d_v = f("qk_nope_head_dim"), f("v_head_dim")
    query = d * d_q + d_q * h * (d_nope + d_rope) if d_q else d * h * (d_nope + d_rope)
    matrices = query + d * (d_c + d_rope) + d_c * h * (d_nope + d_v) + h * d_v * d
    biases = d_q + d_c + d_rope + d if f.on("attention_bias") else 0
    norms = 2 * d + d_q + d_c
    wide, narrow = f("intermediate_size"), f("moe_intermediate_size")
    n_shared = f("n_shared_experts", null=0)
    dense_bias = 2 * wide + d if f.on("mlp_bias") else 0
    shared_bias = 2 * narrow * n_shared + d if f.on("mlp_bias") else 0
    dense = Layer("attention", "dense", matrices, gated(d, wide), vector=norms + biases + dense_bias)
    sparse = Layer(
        "attention", "shared" if n_shared else "moe", matrices, 0, n * d, gated(d, narrow * n_shared),
        gated(d, narrow), norms + biases + shared_bias,
    )  # fmt: skip
    first = f("first_k_dense_replace", 0 if f.values["model_type"] == "deepseek_v2" else 3)
    layers = f("num_hidden_layers")
    in_order = [dense] * min(first, layers) + [sparse] * max(0, layers - first)
    return model(f, in_order, n, f("num_experts_per_tok"))


def llama4(f: Fields) -> Shape:
    """Llama4ForCausalLM: one shared and one routed expert; the step says every how many layers."""
    d, n, step = f("hidden_size"), f("num_local_experts"), f("interleave_moe_layer_step", 1)
    matrices, biases = grouped(f, f("head_dim", 128))
    expert = gated(d, f("intermediate_size"))
    sparse = Layer("attention", "shared", matrices, 0, n * d, expert, expert, 2 * d + biases)
    dense = Layer("attention", "dense", matrices, gated(d, f("intermediate_size_mlp")), vector=2 * d + biases)
    layers = f("num_hidden_layers")
    places = f.several("moe_layers") or range(step - 1, layers, step)
    return model(f, [sparse if i in places else dense for i in range(layers)], n, f("num_experts_per_tok", 1))


def switch(f: Fields) -> Shape:
    """SwitchTransformersForConditionalGeneration: FFNs without gates; the decoder also attends to the encoder. One
    token of the text and one of the answer are counted together, so that each parameter counts once."""
    d, inner, ff = f("d_model"), f("num_heads") * f("d_kv"), f("d_ff")
    n, table = f("num_experts"), f("vocab_size") * f("d_model")
    attention, one = 4 * d * inner, 2 * d * ff
    layers: list[Layer] = []
    for mixer, n_layer, n_sparse in (
        ("encoder", f("num_layers"), f("num_sparse_encoder_layers")),
        ("decoder", f("num_decoder_layers", f("num_layers")), f("num_sparse_decoder_layers")),
    ):
        step = n_layer // n_sparse if n_sparse else n_layer
        per_layer = (1 if mixer == "encoder" else 2) * attention
        norms = (2 if mixer == "encoder" else 3) * d
        for i in range(n_layer):
            vector = norms + (f("relative_attention_num_buckets", 32) * f("num_heads") if i == 0 else 0)
            if step == 1 or i % step == 1:
                layers.append(Layer(mixer, "moe", per_layer, router=n * d, expert=one, vector=vector))
            else:
                layers.append(Layer(mixer, "dense", per_layer, dense=one, vector=vector))
    return Shape(d, n, 1, table, 0 if f.on("tie_word_embeddings", True) else table, 2 * d, tuple(layers))


FAMILIES: dict[str, Callable[[Fields], Shape]] = {
    "llama": llama,
    "mistral": llama,
    "mixtral": mixtral,
    "qwen2_moe": qwen,
    "qwen3_moe": qwen,
    "qwen3_next": qwen,
    "deepseek_v2": deepseek,
    "deepseek_v3": deepseek,
    "kimi_k2": deepseek,
    "llama4_text": llama4,
    "switch_transformers": switch,
}


def shape_of(values: Values) -> Shape:
    """The model of a config.

    Raises:
        KeyError: a family that is not among FAMILIES.
        Missing, Bad: a field without which it has no size, or one that is no size.
    """
    return FAMILIES[str(values["model_type"])](Fields(values))
