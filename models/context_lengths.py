"""How long a context real models were trained on, and how long a one they are offered with.

Three lengths, in tokens: that of most of the pre-training, the longest the model was trained on at all, and the one its
makers offer. Where the last is greater than the second, the model reads further than it ever did in training, by the
method named. None: not published. "128K" is 131,072 where a config or a paper says so, 128,000 where only the makers'
round number is known.

What each source says was read there; `opened` is False where only somebody else's account of it was found.
"""

from collections.abc import Callable
from dataclasses import dataclass

# table: learned positions; rope: RoPE as it is; base: RoPE with a larger base; scaled: with divided frequencies; yarn;
# interleaved: layers without positions among those with RoPE; unpublished
METHODS = ("table", "rope", "base", "scaled", "yarn", "interleaved", "unpublished")


@dataclass(frozen=True)
class Context:
    """One model."""

    id: str
    family: str
    name: str
    year: int
    month: int
    pretrained: int | None
    trained: int | None
    offered: int
    method: str
    source: str
    opened: bool = True


K, M = 1024, 1024 * 1024

CONTEXTS: tuple[Context, ...] = (
    Context("gpt1", "gpt", "GPT-1", 2018, 6, 512, 512, 512, "table", "transformers 5.23, OpenAIGPTConfig.n_positions"),
    Context("gpt2", "gpt", "GPT-2", 2019, 2, K, K, K, "table", "transformers 5.23, GPT2Config.n_positions"),
    Context("gpt3", "gpt", "GPT-3", 2020, 5, 2 * K, 2 * K, 2 * K, "table",
            "Brown et al. 2020, section 2.1; model card: samples of 2,048 tokens"),
    Context("gpt3.5", "gpt", "GPT-3.5", 2022, 11, None, None, 4 * K, "unpublished",
            "gpt-3.5-turbo, error message of the API: 4,097 tokens in all", False),
    Context("llama1", "llama", "Llama 1", 2023, 2, 2 * K, 2 * K, 2 * K, "rope",
            "transformers, LlamaConfig, max_position_embeddings"),
    Context("gpt4", "gpt", "GPT-4", 2023, 3, None, None, 8 * K, "unpublished", "OpenAI 2023, GPT-4: 8,192 tokens"),
    Context("gpt4-32k", "gpt", "GPT-4 32K", 2023, 3, None, None, 32 * K, "unpublished",
            "OpenAI 2023, GPT-4: 32,768 tokens, limited access"),
    Context("claude-100k", "claude", "Claude", 2023, 5, None, None, 100_000, "unpublished",
            "Anthropic 2023, Introducing 100K Context Windows: from 9K to 100K"),
    Context("llama2", "llama", "Llama 2", 2023, 7, 4 * K, 4 * K, 4 * K, "rope",
            "transformers, LlamaConfig, max_position_embeddings"),
    Context("code-llama", "llama", "Code Llama", 2023, 8, 4 * K, 16 * K, 100_000, "base",
            "Roziere et al. 2023, section 2.4; README: trained on 16k, up to 100k"),
    Context("gpt4-turbo", "gpt", "GPT-4 Turbo", 2023, 11, None, None, 128_000, "unpublished",
            "named as 128k in the abstract of the Gemini 1.5 report"),
    Context("gemini1.5", "gemini", "Gemini 1.5 Pro", 2024, 2, None, None, 1_000_000, "unpublished",
            "Gemini 1.5 report 2024; 2M offered from June 2024, retrieval tested to 10M"),
    Context("claude3", "claude", "Claude 3", 2024, 3, None, None, 200_000, "unpublished",
            "Anthropic 2024, Introducing the next generation of Claude: 200K, able to take over 1M"),
    Context("llama3", "llama", "Llama 3", 2024, 4, 8 * K, 8 * K, 8 * K, "base", "Llama 3 report 2024, section 3.4.2"),
    Context("llama3.1", "llama", "Llama 3.1", 2024, 7, 8 * K, 128 * K, 128 * K, "scaled",
            "Llama 3 report 2024, section 3.4.2: six stages from 8K to 128K, about 800B tokens"),
    Context("qwen2.5", "qwen", "Qwen2.5", 2024, 9, 4 * K, 32 * K, 128 * K, "yarn",
            "Qwen2.5 report 2024, section 3.3; model card: 131,072 needs YaRN"),
    Context("deepseek-v3", "deepseek", "DeepSeek-V3", 2024, 12, 4 * K, 128 * K, 128 * K, "yarn",
            "DeepSeek-V3 report 2024, section 4.3: 4K, then 32K and 128K with YaRN, 1,000 steps each"),
    Context("gemma3", "gemini", "Gemma 3 27B", 2025, 3, 32 * K, 128 * K, 128 * K, "scaled",
            "Gemma 3 report 2025, section 5.3: 32K, then 128K with a factor of 8"),
    Context("llama4-scout", "llama", "Llama 4 Scout", 2025, 4, None, 256 * K, 10 * M, "interleaved",
            "Meta 2025, Llama 4 model card: 10M; announcement: trained at 256K"),
    Context("llama4-maverick", "llama", "Llama 4 Maverick", 2025, 4, None, None, M, "interleaved",
            "Meta 2025, Llama 4 model card: 1M"),
    Context("qwen3", "qwen", "Qwen3", 2025, 4, 4 * K, 32 * K, 128 * K, "yarn",
            "Qwen3 documentation: 32,768 in pre-training, 131,072 with YaRN; smaller models are offered with 32K"),
    Context("smollm3", "smollm", "SmolLM3", 2025, 7, 4 * K, 64 * K, 128 * K, "yarn",
            "Hugging Face 2025, SmolLM3: stages of 4K, 32K, 64K; 128K with YaRN"),
    Context("qwen3-2507", "qwen", "Qwen3-2507", 2025, 7, None, 256 * K, 256 * K, "unpublished",
            "model card: 262,144 natively"),
)  # fmt: skip
BY_ID = {context.id: context for context in CONTEXTS}

Live = dict[str, float | int | str]


def claim_gpt3() -> Live:
    """GPT-3's own context, and the model that came with the larger one."""
    return {"gpt3": BY_ID["gpt3"].offered, "later": BY_ID["gpt3.5"].offered, "name": BY_ID["gpt3.5"].name}


def claim_code_llama() -> Live:
    """Code Llama was trained further at one length and is offered with another."""
    one = BY_ID["code-llama"]
    return {"trained": one.trained or 0, "offered": one.offered, "times": one.offered / (one.trained or 1)}


def claim_stretched() -> Live:
    """By how much models are offered beyond the longest text they were trained on."""
    said: Live = {}
    for key in ("code-llama", "qwen2.5", "qwen3", "smollm3", "llama4-scout", "deepseek-v3", "llama3.1"):
        one = BY_ID[key]
        said[key.replace("-", "_").replace(".", "_")] = one.offered / (one.trained or one.offered)
    return said


def claim_llama() -> Live:
    """Longest context offered by each generation of Llama."""
    names = {"one": "llama1", "two": "llama2", "three": "llama3", "three_one": "llama3.1", "four": "llama4-scout",
             "maverick": "llama4-maverick"}  # fmt: skip
    said: Live = {name: BY_ID[key].offered for name, key in names.items()}
    return said | {"trained": BY_ID["llama4-scout"].trained or 0}


def claim_qwen3() -> Live:
    """Qwen3's 128K is a quarter trained."""
    one = BY_ID["qwen3"]
    later = BY_ID["qwen3-2507"].offered
    trained = one.trained or 1
    return {"trained": trained, "offered": one.offered, "factor": one.offered / trained, "later": later}


CLAIMS: dict[str, Callable[[], Live]] = {
    "gpt3-context": claim_gpt3,
    "code-llama-length": claim_code_llama,
    "stretched-lengths": claim_stretched,
    "llama-contexts": claim_llama,
    "qwen3-contexts": claim_qwen3,
}
