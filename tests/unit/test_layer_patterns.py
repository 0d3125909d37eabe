"""Layer strips against the configurations in transformers."""

import torch

from models.layer_patterns import PATTERNS, rotates, strips


def test_smollm3() -> None:
    from transformers import SmolLM3Config

    config, pattern = SmolLM3Config(), PATTERNS["smollm3"]
    assert config.num_hidden_layers == pattern.n_layer == 36
    # In `no_rope_layers`, 1 means that the layer rotates.
    assert rotates(36, pattern.interval).int().tolist() == config.no_rope_layers
    assert int((~rotates(36, 4)).sum()) == 9
    assert set(config.layer_types) == {"full_attention"} and pattern.local == "full"


def test_smollm3_layers_do_what_the_flag_says() -> None:
    """The attention module itself: with flag 0 the rotation is not applied."""
    from transformers import SmolLM3Config
    from transformers.models.smollm3.modeling_smollm3 import SmolLM3Attention

    size = {"hidden_size": 12, "num_attention_heads": 3, "num_key_value_heads": 3, "num_hidden_layers": 4}
    config = SmolLM3Config(**size, vocab_size=11, pad_token_id=None, bos_token_id=None, eos_token_id=None)
    config._attn_implementation = "eager"
    x = torch.randn(1, 5, 12, generator=torch.Generator().manual_seed(0))
    quarter = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])[:, None].expand(5, 4)
    for layer in range(4):
        module = SmolLM3Attention(config, layer)
        with torch.no_grad():
            turned, plain = (
                module(x, (angle.cos()[None], angle.sin()[None]), None)[1] for angle in (quarter, torch.zeros(5, 4))
            )
        assert bool((turned != plain).any()) == bool(rotates(4, 4)[layer])


def test_llama4() -> None:
    from transformers import Llama4TextConfig

    config, pattern = Llama4TextConfig(), PATTERNS["llama4"]
    turning = rotates(pattern.n_layer, pattern.interval)
    assert config.num_hidden_layers == pattern.n_layer
    assert turning.int().tolist() == config.no_rope_layers
    assert config.layer_types == ["chunked_attention" if turns else "full_attention" for turns in turning]
    assert (pattern.local, pattern.reach) == ("chunked", config.attention_chunk_size)


def test_llama_rotates_everywhere() -> None:
    from transformers import LlamaConfig

    pattern, config = PATTERNS["llama"], LlamaConfig()
    assert (pattern.n_layer, pattern.interval) == (config.num_hidden_layers, 0)
    assert not hasattr(config, "no_rope_layers")


def test_cohere2() -> None:
    from transformers import Cohere2Config

    pattern, config = PATTERNS["cohere2"], Cohere2Config()
    assert config.num_hidden_layers == pattern.n_layer
    turning = rotates(pattern.n_layer, pattern.interval)
    # Cohere2Attention rotates where it has a window.
    assert config.layer_types == ["sliding_attention" if turns else "full_attention" for turns in turning]
    assert (pattern.local, pattern.reach) == ("sliding", config.sliding_window)


def test_strips() -> None:
    found = strips(3)
    assert [strip.title for strip in found] == [pattern.title for pattern in PATTERNS.values()] + [""]
    assert found[0].rotates.all() and len(found[0].rotates) == 32
    assert found[-1].rotates.tolist()[:7] == [True, True, False, True, True, False, True]
    assert rotates(5, 0).all() and not rotates(5, 1).any()
