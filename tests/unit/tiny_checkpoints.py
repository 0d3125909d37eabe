"""Tiny random checkpoints as Hugging Face writes them, for the tests of models/pretrained.py and models/checkpoint.py.

Widths are distinct, and prime where a model allows it, so that a transposed axis cannot pass.
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

TEXT = [
    "The animal didn't cross the street because it was too tired.",
    "naïve 人工智能 改变世界",
    "def f(x):\n    return x",
]
N_BYTE_TOKEN, N_PIECE_TOKEN = 293, 211  # primes


def byte_bpe() -> PreTrainedTokenizerFast:
    """Byte-level BPE like GPT-2's; <s> is put in front of every text."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>"]
    core.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=N_BYTE_TOKEN, initial_alphabet=alphabet, special_tokens=special)
    )
    assert core.get_vocab_size() == N_BYTE_TOKEN
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", model_max_length=10**30)


def word_piece() -> PreTrainedTokenizerFast:
    """WordPiece like BERT's, with [CLS] and [SEP]; as MiniLM's own file does, it says to cut and to pad."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, "the", "animal", "it", "was", "tired", ".", "##s", "token", "##ization", "人"]
    words += [str(number) for number in range(N_PIECE_TOKEN - len(words))]
    core = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    core.add_special_tokens(special)
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    core.enable_truncation(5)
    core.enable_padding(length=31, pad_id=0, pad_token="[PAD]")
    named = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=41, **named)


def _random(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """Every weight drawn anew and large enough that heads differ, biases and norms included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            spread = 0.4 if weight.dim() > 1 else 0.1
            centre = 1.0 if weight.dim() == 1 and name.endswith("weight") else 0.0
            weight.copy_(centre + spread * torch.randn(weight.shape, generator=generator))
    return model.eval()


def llama(seed: int = 0) -> LlamaForCausalLM:
    """3 layers, 10 query heads on 5 key/value heads, width 14, on a stream of 30."""
    return _random(
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=N_BYTE_TOKEN,
                hidden_size=30,
                head_dim=14,
                num_hidden_layers=3,
                num_attention_heads=10,
                num_key_value_heads=5,
                intermediate_size=37,
                max_position_embeddings=61,
                bos_token_id=0,
                eos_token_id=1,
            )
        ),
        seed,
    )


def gpt2(seed: int = 0) -> GPT2LMHeadModel:
    """2 layers, 3 heads of width 7."""
    config = GPT2Config(vocab_size=N_BYTE_TOKEN, n_embd=21, n_layer=2, n_head=3, n_positions=53, bos_token_id=0)
    return _random(GPT2LMHeadModel(config), seed)


def bert(seed: int = 0, **more: object) -> BertForMaskedLM:
    """2 layers, 3 heads of width 5; saved as most encoders are, with a head for masked tokens and no pooler."""
    config = BertConfig(
        vocab_size=N_PIECE_TOKEN,
        hidden_size=15,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=23,
        max_position_embeddings=47,
        **more,
    )
    return _random(BertForMaskedLM(config), seed)


def save(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
