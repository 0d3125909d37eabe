"""A small LLaVA for drawn scenes: vision encoder, projector, language model, every number from pixels to answer.

Source: Liu et al. 2023, "Visual Instruction Tuning", section 4.1 (the chain; features before and after the last layer)
and 4.2 (two stages); Liu et al. 2023, "Improved Baselines with Visual Instruction Tuning" (an MLP as the projector).

    picture --VisionTransformer--> z  "n d"     64 patches after the last layer but one, [CLS] left out
    z --projector--> h               "k m"      image tokens                             models/projectors.py
    START h QUESTION q_1 .. q_j ANSWER --SceneLM--> a_1 a_2 .. END                          models/scene_lm.py

    stage 1    only the projector learns, from captions: "what is there ?"       encoder and language model frozen
    stage 2    projector and language model learn, from questions and captions   encoder frozen
    blind      the language model alone learns the same questions, no picture    what words give away

Glossary
    features, z    of the patches              tokens, h    what stands in the language model's sequence
    off            patches (numbers from 0 in reading order) that are switched off, in one of two ways:
                   "tokens": the encoder has read them, but the projector and the language model get nothing of them;
                   "pixels": they are painted over in the picture's median colour, mostly its background, before the
                   encoder reads it, so that no other patch can have taken over what they showed
    nearest words  rows of the embedding table with the largest cosine to an image token

Axes: n patches, k image tokens, t, s positions in the sequence, l layer, h head, a words of the answer, v vocabulary.
Conventions: weights are stored as bytes with one scale per row (models/stored_rows.py), computed in single precision.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from models import projectors, scene_lm
from models.language_model import ModelUnavailable
from models.projectors import NAMES, Projected
from models.scene_lm import SceneLM
from models.scene_questions import ANSWER_ID, END_ID, IMAGE_ID, MARKERS, QUESTION_ID, START_ID, spell, tokenise
from models.stored_rows import read
from models.tiny_lm import WEIGHTS
from models.vision_transformer import Shape, VisionTransformer

SIGHT = Shape(stem=True)
MAIN = "mlp-64"
BLIND = "blind"
VARIANTS = (*NAMES, BLIND)
STAGES = (1, 2)
DESCRIBE = {"en": "what is there ?", "zh": "有什么？"}  # the question that captions answer
MOST = 24  # words of an answer
LONGEST = 48  # words of a question that are read
WAYS = ("tokens", "pixels")


@dataclass(frozen=True)
class AnswerTrace:
    """One question about one picture. The sequence: START, k image tokens, QUESTION, question, ANSWER, answer."""

    features: Float[Tensor, "n d"]
    tokens: Float[Tensor, "k m"]
    source: Float[Tensor, "k n"]  # share of each patch in each token
    off: Bool[Tensor, "k"]  # image tokens nobody may look at
    ids: Int[Tensor, "t"]  # IMAGE_ID where an image token stands; ends with the answer's last word
    answer_at: int  # position of the marker ANSWER: logits[0] are predicted there
    hidden: Float[Tensor, "_ t m"]  # one more than layers: 0 is the input
    attention: Float[Tensor, "l h t s"]
    logits: Float[Tensor, "a v"]  # of each word of the answer; the last row predicts END
    answer: tuple[int, ...]  # ids, without END

    @property
    def n_image(self) -> int:
        return len(self.tokens)

    @property
    def text(self) -> str:
        """The answer in words."""
        return spell([i for i in self.answer if i >= len(MARKERS)])

    @property
    def probability(self) -> Float[Tensor, "a v"]:
        """Of every word, at each place of the answer."""
        return self.logits.softmax(-1)

    @property
    def on_tokens(self) -> Float[Tensor, "l h a k"]:
        """From where each word of the answer is predicted: attention to the image tokens."""
        return self.attention[:, :, self.answer_at :, 1 : 1 + self.n_image]

    @property
    def on_patches(self) -> Float[Tensor, "l h a n"]:
        """The same, handed on to the patches that each token was made of."""
        return self.on_tokens @ self.source


@dataclass(frozen=True)
class Part:
    """A part of the chain and the gradient that one answer sends it."""

    name: str  # "encoder", "projector", "language_model"
    n_param: int
    learns: tuple[bool, bool]  # in stage 1, in stage 2
    gradient: float  # norm of the answer's gradient with respect to all its weights, learning or not


@dataclass(frozen=True)
class History:
    """The main projector as it learned, applied to one picture. Snapshots stand in order."""

    step: tuple[int, ...]  # counted through both stages
    stage: tuple[int, ...]
    tokens: Float[Tensor, "c k m"]
    words: Float[Tensor, "c v m"]  # the embedding table then


@dataclass(frozen=True)
class Vlm:
    """The chain. Never written to: visitors' threads share it. `projector` is None for the blind one."""

    encoder: VisionTransformer
    projector: nn.Module | None
    lm: SceneLM
    variant: str
    stage: int
    card: dict[str, Any]

    @torch.no_grad()
    def features(self, picture: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b n d"]:
        """Of each patch after the last layer but one."""
        return self.encoder(picture, keep=True).layers[-2][:, 1:]

    def paint(self, picture: Float[Tensor, "b 3 y x"], off: Collection[int]) -> Float[Tensor, "b 3 y x"]:
        """Patches painted over in the median of each channel."""
        side, patch = self.encoder.shape.side, self.encoder.shape.patch
        mask = torch.zeros(side**2, dtype=torch.bool)
        mask[list(off)] = True
        mask = mask.view(side, side).repeat_interleave(patch, 0).repeat_interleave(patch, 1)
        return torch.where(mask, picture.flatten(2).median(-1).values[:, :, None, None], picture)

    def project(self, features: Float[Tensor, "b n d"], off: Bool[Tensor, "b n"] | None = None) -> Projected:
        """Image tokens; none if blind."""
        if self.projector is None:
            b, n, _ = features.shape
            return Projected(
                torch.zeros(b, 0, self.lm.cfg.d_model), torch.zeros(b, 0, n), torch.zeros(b, 0, dtype=torch.bool)
            )
        projected: Projected = self.projector(features, off)
        return projected

    def sequence(self, seen: Projected, words: Sequence[int]) -> tuple[Float[Tensor, "b t m"], Bool[Tensor, "b t s"]]:
        """(input, allowed): START, the image tokens, `words`. Image tokens that are off are seen by nobody else."""
        b, k = seen.off.shape
        around = self.lm.embed(torch.tensor([[START_ID, *words]]).expand(b, -1))
        x = torch.cat((around[:, :1], seen.tokens, around[:, 1:]), 1)
        hidden = F.pad(seen.off, (1, x.shape[1] - k - 1))
        return x, scene_lm.causal(x.shape[1]) & (~hidden[:, None] | torch.eye(x.shape[1], dtype=torch.bool))

    @torch.no_grad()
    def answer(
        self,
        picture: Float[Tensor, "1 3 y x"],
        question: Sequence[int],
        off: Collection[int] = (),
        way: str = "tokens",
        n_most: int = MOST,
    ) -> AnswerTrace:
        """The likeliest words, one after the other. `question`: ids, at most LONGEST are read; none is allowed."""
        if way == "pixels":
            picture, off = self.paint(picture, off), ()
        return self._answer(self.features(picture), question, off, n_most)

    def _answer(
        self, features: Float[Tensor, "1 n d"], question: Sequence[int], off: Collection[int], n_most: int
    ) -> AnswerTrace:
        mask = torch.zeros(1, features.shape[1], dtype=torch.bool)
        mask[:, list(off)] = True
        seen = self.project(features, mask)
        words = [QUESTION_ID, *question[:LONGEST], ANSWER_ID]
        at = seen.tokens.shape[1] + len(words)
        answer: list[int] = []
        while True:
            x, allowed = self.sequence(seen, [*words, *answer])
            logits = self.lm(x, allowed).logits[0, at:]
            best = int(logits[-1].argmax())
            if best == END_ID or len(answer) == n_most:
                break
            answer.append(best)
        whole = self.lm(x, allowed, keep=True)
        return AnswerTrace(
            features=features[0],
            tokens=seen.tokens[0],
            source=seen.source[0],
            off=seen.off[0],
            ids=torch.tensor([START_ID, *[IMAGE_ID] * seen.tokens.shape[1], *words, *answer]),
            answer_at=at,
            hidden=torch.cat(whole.hidden),
            attention=torch.cat(whole.attention),
            logits=logits,
            answer=tuple(answer),
        )

    def loss(self, seen: Projected, question: Sequence[int], answer: Sequence[int]) -> Float[Tensor, "b"]:
        """-log probability of the answer and END, nats, summed over its words."""
        words = [QUESTION_ID, *question[:LONGEST], ANSWER_ID, *answer]
        x, allowed = self.sequence(seen, words)
        target = torch.tensor([*answer, END_ID])
        logits = self.lm(x, allowed).logits[:, -len(target) :]
        return F.cross_entropy(logits.transpose(1, 2), target.expand(len(x), -1), reduction="none").sum(-1)

    @torch.no_grad()
    def ablate(
        self, picture: Float[Tensor, "1 3 y x"], question: Sequence[int], answer: Sequence[int], way: str = "tokens"
    ) -> tuple[float, Float[Tensor, "n"]]:
        """(loss of the answer, how much more it is with each patch alone switched off), nats."""
        features = self.features(picture)
        n = features.shape[1]
        plain = float(self.loss(self.project(features), question, answer))
        if way == "pixels":
            apart = self.project(self.features(torch.cat([self.paint(picture, (i,)) for i in range(n)])))
        else:
            apart = self.project(features.expand(n, -1, -1), torch.eye(n, dtype=torch.bool))
        return plain, self.loss(apart, question, answer) - plain

    @torch.no_grad()
    def nearest(
        self, tokens: Float[Tensor, "k m"], n: int = 3, words: Float[Tensor, "v m"] | None = None
    ) -> tuple[Int[Tensor, "k n"], Float[Tensor, "k n"]]:
        """Ids and cosines of the nearest words, markers left out. `words`: another embedding table."""
        table = F.normalize(self.lm.embedding if words is None else words, dim=-1)[len(MARKERS) :]
        found = (F.normalize(tokens, dim=-1) @ table.T).topk(n, -1)
        return found.indices + len(MARKERS), found.values

    def gradients(
        self, picture: Float[Tensor, "1 3 y x"], question: Sequence[int], answer: Sequence[int]
    ) -> tuple[Part, ...]:
        """What the answer's loss would have each part change."""
        parts = {"encoder": self.encoder, "projector": self.projector, "language_model": self.lm}
        copies = {
            name: {key: weight.detach().clone().requires_grad_() for key, weight in part.named_parameters()}
            for name, part in parts.items()
            if part is not None
        }
        with torch.enable_grad():
            out = torch.func.functional_call(self.encoder, copies["encoder"], (picture,), {"keep": True})
            features = out.layers[-2][:, 1:]
            chain = _Chain(self)
            weights = {f"lm.{key}": weight for key, weight in copies["language_model"].items()}
            weights |= {f"projector.{key}": weight for key, weight in copies.get("projector", {}).items()}
            torch.func.functional_call(chain, weights, (features, question, answer)).backward()
        learns = {"encoder": (False, False), "projector": (True, True), "language_model": (False, True)}
        return tuple(
            Part(name, sum(w.numel() for w in copy.values()), learns[name],
                 float(sum(w.grad.square().sum() for w in copy.values() if w.grad is not None)) ** 0.5)
            for name, copy in copies.items()
        )  # fmt: skip


class _Chain(nn.Module):
    """Projector and language model as one module, so that both can borrow other weights for a pass."""

    def __init__(self, vlm: Vlm) -> None:
        super().__init__()
        self.vlm = [vlm]
        self.lm, self.projector = vlm.lm, vlm.projector

    def forward(
        self, features: Float[Tensor, "1 n d"], question: Sequence[int], answer: Sequence[int]
    ) -> Float[Tensor, ""]:
        vlm = self.vlm[0]
        return vlm.loss(vlm.project(features), question, answer).sum()


def question_ids(text: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """(ids, unknown words) of a typed question, cut to LONGEST."""
    words = tokenise(text)
    return words.ids[:LONGEST], words.unknown


# --- what is shipped --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def card() -> dict[str, Any]:
    """How everything was trained and what was measured. Raises ModelUnavailable."""
    try:
        found: dict[str, Any] = json.loads((WEIGHTS / "scene_vlm.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable("shipped_damaged") from error
    return found


@lru_cache(maxsize=1)
def encoder() -> VisionTransformer:
    """Frozen: it was taught to name what its patches show (training/scene_encoder.py). Raises ModelUnavailable."""
    try:
        stored = load_file(WEIGHTS / "scene_encoder.safetensors")
        eye = VisionTransformer(SIGHT)
        eye.load_state_dict({key: weight.float() for key, weight in part(stored, "encoder.").items()})
    except Exception as error:
        raise ModelUnavailable("shipped_damaged") from error
    return eye.requires_grad_(False).eval()


def part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights whose names begin so, without that."""
    return {key.removeprefix(prefix): weight for key, weight in weights.items() if key.startswith(prefix)}


@lru_cache(maxsize=6)
def load(variant: str = MAIN, stage: int = 2) -> Vlm:
    """A chain of VARIANTS after stage 1 or 2. The blind one has no projector. Raises ModelUnavailable."""
    try:
        weights = read(WEIGHTS / f"scene_vlm_{variant}.safetensors")
        projector = None
        if variant != BLIND:
            projector = projectors.make(variant)
            projector.load_state_dict(part(weights, f"projector_{stage}."))
            projector.requires_grad_(False).eval()
        lm = scene_lm.load()
        if stage == 2:
            lm = SceneLM()
            lm.load_state_dict(part(weights, "lm."))
            lm.requires_grad_(False).eval()
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ModelUnavailable("shipped_damaged") from error
    return Vlm(encoder(), projector, lm, variant, stage, card())


@torch.no_grad()
def history(picture: Float[Tensor, "1 3 y x"]) -> History:
    """The image tokens of one picture while the main projector learned. Raises ModelUnavailable."""
    try:
        weights = read(WEIGHTS / "scene_vlm_training.safetensors")
    except OSError as error:
        raise ModelUnavailable("shipped_damaged") from error
    features = load().features(picture)
    projector, tokens = projectors.make(MAIN), []
    for i in range(len(weights["step"])):
        now = {key: weight[i] for key, weight in part(weights, "projector.").items()}
        out: Projected = torch.func.functional_call(projector, now, (features,))
        tokens.append(out.tokens[0])
    steps, stages = (tuple(int(x) for x in weights[name].tolist()) for name in ("step", "stage"))
    return History(steps, stages, torch.stack(tokens), weights["words"])


def untrained(variant: str = MAIN, seed: int = 0, stage: int = 2) -> Vlm:
    """The chain with random weights: what follows from the formulas holds for it, too."""
    source = torch.Generator().manual_seed(seed)
    eye = VisionTransformer(SIGHT).start(source)
    projector = None if variant == BLIND else projectors.make(variant, source)
    modules = [eye, SceneLM(generator=source), *([projector] if projector else [])]
    for module in modules:
        module.requires_grad_(False).eval()
    return Vlm(eye, projector, modules[1], variant, stage, {})  # type: ignore[arg-type]
