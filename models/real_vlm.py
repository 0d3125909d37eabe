"""Real models joined by a projector: the DINOv2-type ViT-S/14 and SmolLM2, both frozen; only the projector was trained.

Source: Liu et al. 2023, "Visual Instruction Tuning", section 4.2, stage 1 (both models frozen, the projector learns
from short texts about pictures); Liu et al. 2023, "Improved Baselines with Visual Instruction Tuning", section 3.2 (an
MLP as the projector). Encoder: models/dinov2.py. Language model: Allal et al. 2025, "SmolLM2", 135 million parameters.

    picture, 112 x 112 --Dinov2--> z "n d"      64 patches after block 7 of 12, [CLS] left out
    z --mean of 2 x 2--> p "k d"                16 cells
    h = W_2 GELU(W_1 (p - mean) / deviation)    image tokens "k m", as wide as SmolLM2's embeddings
    "Picture:" h "Question: ... Answer:" --SmolLM2--> one word after the other, up to the end of the line

Glossary
    source    share of each patch in each image token: 1/4 for the four patches of its cell
    off       patches that are switched off: what is left of their cell is averaged; a cell without patches is hidden
    nearest   words of SmolLM2's vocabulary whose embedding has the largest cosine to an image token
    guess     the likeliest word of the whole vocabulary, 49,152 words; nothing limits it to sensible answers

Conventions: questions and answers are English, SmolLM2 knows little Chinese. Counts are answered in words: "two".
Why block 7: read by a linear map, the features tell an object's colour less and less well after it (`blocks` in
training/real_projector.py measures it), while its shape is almost as clear as at the end. LLaVA takes CLIP's last layer
but one. Before stage 1 each image token was drawn towards the words of what its cell shows, which LLaVA does not do.
Simplified: 16 image tokens instead of LLaVA's 256 or 576; no conversation, one question.
Attention is [layer, head, query t, key s]; hidden states are counted from 0, the input.
"""

import json
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import cachetools
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models import dinov2, language_model, stored_rows
from models.dinov2 import Dinov2
from models.language_model import ModelUnavailable
from models.tiny_lm import WEIGHTS

N_PIXEL = 112
SIDE = N_PIXEL // 14  # patches along an edge
N_BLOCK = 7  # of the encoder's 12
POOL = 2  # patches along an edge of a cell
N_TOKEN = (SIDE // POOL) ** 2
BEFORE, ASK, CAPTION = "Picture:", "\nQuestion: {question}\nAnswer:", "\nCaption:"
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
MOST = 24  # tokens of an answer
LONGEST = 60  # tokens of a question that are read
DESCRIBE = ""  # the question that a caption answers


class Projector(nn.Module):
    """Two linear maps; features are first brought to mean 0 and deviation 1, as measured on the training scenes."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, d_in: int = 384, d_out: int = 576) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(d_in))
        self.register_buffer("deviation", torch.ones(d_in))
        self.first = nn.Linear(d_in, d_out)
        self.second = nn.Linear(d_out, d_out)

    def start(self, generator: torch.Generator, size: float) -> "Projector":
        """Fresh weights that make tokens of about that root mean square. Returns itself."""
        nn.init.normal_(self.first.weight, std=self.first.in_features**-0.5, generator=generator)
        nn.init.normal_(self.second.weight, std=size * (0.5 * self.second.in_features) ** -0.5, generator=generator)
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.second.bias)
        return self

    def forward(self, cell: Float[Tensor, "*k d"]) -> Float[Tensor, "*k m"]:
        return self.second(nn.functional.gelu(self.first((cell - self.mean) / self.deviation)))


def pool(features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k d"]:
    """The mean over each cell of 2 x 2 patches; cells in reading order."""
    b, _, d = features.shape
    cells = features.view(b, SIDE // POOL, POOL, SIDE // POOL, POOL, d)
    return cells.mean((2, 4)).reshape(b, N_TOKEN, d)


def plain(question: str) -> str:
    """A question of models/scene_questions.py as English writes it: no space before the question mark."""
    return question.replace(" ?", "?").strip()


def worded(answer: str) -> str:
    """An answer as SmolLM2 should give it: numbers in words."""
    return NUMBERS[int(answer)] if answer.isdigit() and int(answer) < len(NUMBERS) else answer


@dataclass(frozen=True)
class RealTrace:
    """One question about one picture. The sequence is BEFORE, k image tokens, the question, the answer."""

    features: Float[Tensor, "n d"]
    tokens: Float[Tensor, "k m"]
    source: Float[Tensor, "k n"]  # share of each patch in each token
    off: Bool[Tensor, "k"]  # image tokens nobody may look at
    words: tuple[str, ...]  # of every position, for display; "" where an image token stands
    image_at: int  # position of the first image token
    answer_at: int  # the position that predicts the answer's first token
    hidden: Float[Tensor, "i t m"]  # i = 0: the input, then after each layer
    attention: Float[Tensor, "l h t s"]
    guesses: tuple[tuple[tuple[str, float], ...], ...]  # for each token of the answer: likeliest ones, probabilities
    text: str  # the answer
    cut: bool  # whether the question was longer than LONGEST

    @property
    def on_tokens(self) -> Float[Tensor, "l h a k"]:
        """From where each token of the answer is predicted: attention to the image tokens."""
        return self.attention[:, :, self.answer_at :, self.image_at : self.image_at + len(self.tokens)]

    @property
    def on_patches(self) -> Float[Tensor, "l h a n"]:
        """The same, handed on to the patches that each token was made of."""
        return self.on_tokens @ self.source


@dataclass(frozen=True)
class RealVlm:
    """Three models in a row. Nothing of it is changed by using it, so all visitors share one."""

    encoder: Dinov2
    projector: Projector
    reader: Any  # models.pretrained.Pretrained, SmolLM2
    card: dict[str, Any]

    @property
    def words(self) -> Float[Tensor, "v m"]:
        """SmolLM2's embedding table."""
        return self.reader._model.get_input_embeddings().weight

    def ids(self, text: str) -> list[int]:
        """As SmolLM2 reads it, with nothing put in front."""
        return self.reader._tokenizer(text, add_special_tokens=False).input_ids

    @torch.no_grad()
    def features(self, picture: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b n d"]:
        """Of pictures of N_PIXEL pixels, in [-1, 1]: the patches after block N_BLOCK."""
        return self.encoder.after(picture, N_BLOCK)[:, 1:]

    @torch.no_grad()
    def project(
        self, features: Float[Tensor, "n d"], off: Collection[int] = ()
    ) -> tuple[Float[Tensor, "k m"], Float[Tensor, "k n"], Bool[Tensor, "k"]]:
        """(tokens, source, which tokens are off): cells are averaged over the patches that are on."""
        on = torch.ones(SIDE, SIDE)
        on.view(-1)[list(off)] = 0
        source = torch.zeros(N_TOKEN, SIDE, SIDE)
        for k in range(N_TOKEN):
            row, column = POOL * (k // (SIDE // POOL)), POOL * (k % (SIDE // POOL))
            cell = (k, slice(row, row + POOL), slice(column, column + POOL))
            source[cell] = on[cell[1:]] / on[cell[1:]].sum().clamp(min=1)
        source = source.flatten(1)
        hidden = source.sum(-1) == 0
        return self.projector(source @ features), source, hidden

    def prompt(self, question: str) -> tuple[list[int], bool]:
        """Ids of what follows the image tokens, and whether the question was cut. No question asks for a caption."""
        asked = plain(question)
        if not asked:
            return self.ids(CAPTION), False
        ids = self.ids(asked)
        kept = asked if len(ids) <= LONGEST else self.reader._tokenizer.decode(ids[:LONGEST])
        return self.ids(ASK.format(question=kept)), len(ids) > LONGEST

    @torch.no_grad()
    def run(
        self, tokens: Float[Tensor, "b k m"], hidden: Bool[Tensor, "b k"], after: list[int], keep: bool = False
    ) -> Any:
        """What transformers returns for BEFORE, image tokens, and these ids."""
        table, before = self.words, self.ids(BEFORE)
        b = len(tokens)
        x = torch.cat((table[before].expand(b, -1, -1), tokens, table[after].expand(b, -1, -1)), 1)
        seen = torch.ones(b, x.shape[1], dtype=torch.long)
        seen[:, len(before) : len(before) + tokens.shape[1]] = (~hidden).long()
        return self.reader._model(
            inputs_embeds=x,
            attention_mask=seen,
            position_ids=torch.arange(x.shape[1])[None].expand(b, -1),
            output_attentions=keep,
            output_hidden_states=keep,
        )

    def answer(
        self, picture: Float[Tensor, "1 3 y x"], question: str, off: Collection[int] = (), n_most: int = MOST
    ) -> RealTrace:
        """The likeliest tokens, one after the other, up to the end of the line. `off`: patches, reading order."""
        features = self.features(picture)[0]
        tokens, source, hidden = self.project(features, off)
        asked, cut = self.prompt(question)
        before = len(self.ids(BEFORE))
        at = before + len(tokens) + len(asked) - 1
        end = self.ids("\n")[0]
        said: list[int] = []
        while True:
            logits = self.run(tokens[None], hidden[None], [*asked, *said]).logits[0, at:]
            best = int(logits[-1].argmax())
            if best == end or len(said) == n_most:
                break
            said.append(best)
        whole = self.run(tokens[None], hidden[None], [*asked, *said], keep=True)
        label = self.reader.label
        top = logits.softmax(-1).topk(5, -1)
        return RealTrace(
            features=features,
            tokens=tokens,
            source=source,
            off=hidden,
            words=(*label(self.ids(BEFORE)), *[""] * len(tokens), *label([*asked, *said])),
            image_at=before,
            answer_at=at,
            hidden=torch.cat(whole.hidden_states),
            attention=torch.cat(whole.attentions),
            guesses=tuple(
                tuple(zip(label(ids.tolist()), values.tolist(), strict=True))
                for ids, values in zip(top.indices, top.values, strict=True)
            ),
            text=self.reader._tokenizer.decode(said).strip(),
            cut=cut,
        )

    def losses(self, picture: Float[Tensor, "1 3 y x"], question: str, answer: str) -> tuple[float, Float[Tensor, "k"]]:
        """(-log probability of the answer's first token, how much more it is without each image token), nats."""
        features = self.features(picture)[0]
        tokens, _, _ = self.project(features)
        hidden = torch.cat((torch.zeros(1, N_TOKEN, dtype=torch.bool), torch.eye(N_TOKEN, dtype=torch.bool)))
        logits = self.run(tokens.expand(len(hidden), -1, -1), hidden, self.prompt(question)[0]).logits[:, -1]
        loss = -logits.log_softmax(-1)[:, self.ids(f" {worded(answer)}")[0]]
        return float(loss[0]), loss[1:] - loss[0]

    def nearest(
        self, tokens: Float[Tensor, "k m"], n: int = 3
    ) -> tuple[tuple[tuple[str, ...], ...], Float[Tensor, "k n"]]:
        """(words of SmolLM2's vocabulary, their cosines)."""
        table = nn.functional.normalize(self.words, dim=-1)
        found = (nn.functional.normalize(tokens, dim=-1) @ table.T).topk(n, -1)
        return tuple(self.reader.label(ids.tolist()) for ids in found.indices), found.values


def card() -> dict[str, Any]:
    """What was measured: models/weights/real_projector.json. Raises ModelUnavailable."""
    try:
        return json.loads((WEIGHTS / "real_projector.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable("shipped_damaged") from error


def load_projector() -> Projector:
    """The shipped weights. Raises ModelUnavailable."""
    try:
        projector = Projector()
        projector.load_state_dict(stored_rows.read(WEIGHTS / "real_projector.safetensors"))
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
    return projector.eval().requires_grad_(False)


@cachetools.cached(cachetools.LRUCache(1), condition=threading.Condition())
def load() -> RealVlm:
    """Both assets and the shipped projector. Raises ModelUnavailable, which names what is missing."""
    return RealVlm(dinov2.load(), load_projector(), language_model.load("smollm2"), card())
