"""Questions about drawn scenes with one right answer, in English and Chinese, and the words a language model needs.

    colour     what colour is the circle ?                       one circle only
    shape      which shape is red ?                              one red object only
    count      how many circles are there ? / red shapes / shapes
    relation   where is the red circle seen from the blue square ?   the larger distance decides

Glossary
    word       an entry of VOCABULARY: the captions' words (models/scene_captions.py), the questions', digits, markers
    IMAGE      the place in a prompt that image tokens take
    blind      answering without the picture: what the words of questions alone give away

Conventions: a question and its answer are texts; `tokenise` makes ids of any text, naming unknown words. An answer is
one word. A relation is asked only where the larger distance is at least MARGIN times the other one.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from models.scene_captions import ALIAS, LANGUAGES, MEANING, SAYINGS, caption, say, split
from models.scenes import COLOURS, SHAPES, Scene, Shape

KINDS = ("colour", "shape", "count", "relation")
MARGIN = 1.5
PAD, START, END, IMAGE, QUESTION, ANSWER = MARKERS = ("<pad>", "<start>", "<end>", "<image>", "<question>", "<answer>")
# word: its aliases
ASKING = {
    "what": (),
    "which": (),
    "colour": ("color",),
    "how": (),
    "many": (),
    "are": (),
    "there": (),
    "where": (),
    "seen": (),
    "from": (),
    "?": ("？",),
    "什么": (),
    "哪种": (),
    "颜色": (),
    "几个": ("多少个", "多少", "几"),
    "哪边": ("哪里", "哪一边", "什么位置"),
    **{str(n): () for n in range(7)},
}
LEXICON = ALIAS | {word: entry for entry, others in ASKING.items() for word in (entry, *others)}
VOCABULARY = (*MARKERS, *MEANING, *ASKING)
WORD_ID = {word: VOCABULARY.index(entry) for word, entry in LEXICON.items()}
PAD_ID, START_ID, END_ID, IMAGE_ID, QUESTION_ID, ANSWER_ID = range(6)
RELATIONS = {"left": "left", "right": "right", "above": "top", "below": "bottom"}  # answer: its Chinese meaning


@dataclass(frozen=True)
class Question:
    """A question with its right answer."""

    kind: str
    language: str
    text: str
    answer: str  # one word of VOCABULARY


@dataclass(frozen=True)
class Words:
    """A text as ids; what was unknown was left out."""

    ids: tuple[int, ...]
    unknown: tuple[str, ...]


def tokenise(text: str) -> Words:
    """Raises nothing."""
    known, unknown = split(text, LEXICON)
    return Words(tuple(WORD_ID[word] for word in known), tuple(unknown[:20]))


def spell(ids: Sequence[int]) -> str:
    """The words of ids as text; Chinese ones are not spaced."""
    text = ""
    for word in (VOCABULARY[i] for i in ids):
        text += (" " if text and (word.isascii() or text[-1].isascii()) and word not in ",?" else "") + word
    return text


def describe(scene: Scene, language: str = "en", rng: random.Random | None = None) -> str:
    """A caption: of one or two objects as in models/scene_captions.py, of more a list."""
    if len(scene.objects) <= 2:
        return caption(scene, language, rng)
    things = list(scene.objects)
    if rng:
        rng.shuffle(things)
    if language == "en":
        return " , ".join(f"{'an' if t.colour == 'orange' else 'a'} {t.colour} {t.shape}" for t in things)
    return "，".join(f"{say(t.colour, 'zh')}{say(t.shape, 'zh')}" for t in things)


def relation(a: Shape, b: Shape) -> str:
    """Where a is, seen from b: "left", "right", "above", "below", or "" where that is not clear."""
    dx, dy = a.x - b.x, a.y - b.y
    if abs(dx) >= MARGIN * abs(dy) and dx:
        return "left" if dx < 0 else "right"
    if abs(dy) >= MARGIN * abs(dx) and dy:
        return "above" if dy < 0 else "below"
    return ""


def questions(scene: Scene, language: str = "en", kinds: Sequence[str] = KINDS) -> list[Question]:
    """Every question with a clear answer."""
    things, found = scene.objects, []

    def word(meaning: str) -> str:
        return say(meaning, language)

    def add(kind: str, english: str, chinese: str, answer: str) -> None:
        if kind in kinds:
            found.append(Question(kind, language, english if language == "en" else chinese, answer))

    def answer_at(name: str) -> str:
        return name if language == "en" else say(RELATIONS[name], "zh")

    for shape in SHAPES:
        same = [t for t in things if t.shape == shape]
        s = word(shape)
        add("count", f"how many {s}s are there ?", f"有几个{s}？", str(len(same)))
        if len(same) == 1:
            add("colour", f"what colour is the {s} ?", f"{s}是什么颜色？", word(same[0].colour))
    for colour in COLOURS:
        same = [t for t in things if t.colour == colour]
        c = word(colour)
        if colour != scene.background:
            add("count", f"how many {c} shapes are there ?", f"有几个{c}图形？", str(len(same)))
        if len(same) == 1:
            add("shape", f"which shape is {c} ?", f"{c}的是什么形状？", word(same[0].shape))
    add("count", "how many shapes are there ?", "有几个图形？", str(len(things)))
    for a in things:
        for b in things:
            where = relation(a, b) if a is not b else ""
            kinds_alike = [(t.shape, t.colour) for t in things]
            if where and kinds_alike.count((a.shape, a.colour)) == kinds_alike.count((b.shape, b.colour)) == 1:
                first, second = (f"{word(t.colour)}{' ' * (language == 'en')}{word(t.shape)}" for t in (a, b))
                add(
                    "relation",
                    f"where is the {first} seen from the {second} ?",
                    f"{first}在{second}的哪边？",
                    answer_at(where),
                )
    return found


def ask(scene: Scene, rng: random.Random, language: str | None = None, kind: str | None = None) -> Question | None:
    """One question at random: first its kind, evenly, among those the scene allows; None if there is none.

    Answers of "how many" are evened out: 0 is drawn as rarely as each other number that the scene allows.
    """
    every = questions(scene, language or rng.choice(LANGUAGES), KINDS if kind is None else (kind,))
    if not every:
        return None
    chosen = rng.choice(sorted({q.kind for q in every}))
    pool = [q for q in every if q.kind == chosen]
    if chosen == "count":
        number = rng.choice(sorted({q.answer for q in pool}))
        pool = [q for q in pool if q.answer == number]
    return rng.choice(pool)


def known(scene: Scene, text: str) -> Question | None:
    """The question with its right answer, if `text` is one that this scene answers (in the words of any alias)."""
    ids = tokenise(text).ids
    mark = WORD_ID["?"]
    bare = tuple(i for i in ids if i != mark)
    return next(
        (
            q
            for language in LANGUAGES
            for q in questions(scene, language)
            if tuple(i for i in tokenise(q.text).ids if i != mark) == bare
        ),
        None,
    )


def answers(kind: str, language: str) -> tuple[str, ...]:
    """What may be answered."""
    match kind:
        case "colour":
            return tuple(say(colour, language) for colour in COLOURS)
        case "shape":
            return tuple(say(shape, language) for shape in SHAPES)
        case "count":
            return tuple(str(n) for n in range(5))
    return tuple(name if language == "en" else say(meaning, "zh") for name, meaning in RELATIONS.items())


assert set(SAYINGS) >= set(COLOURS) | set(SHAPES)
