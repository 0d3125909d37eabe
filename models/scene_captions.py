"""What is said of a drawn scene in English and Chinese, and how a typed caption is cut into words and understood.

    scene --caption--> text --tokenise--> word ids for the text encoder
                        text --read--> Request: what the caption asks for, to be compared with a picture

Glossary
    word      an entry of VOCABULARY; Chinese words have entries of their own, found by longest match
    alias     another word for the same: it gets the id of the word the captions use ("big": "large")
    unknown   what is in no list: it is left out and named to the caller
    Request   a scene with gaps: None wherever the caption says nothing

Conventions: a caption is START words END. Where a caption names no size, colour or place, any will do. Two objects in a
Request stand in reading order if the caption says how they stand; else in the order named, and any order will do.
"""

import random
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from models.scenes import COLOURS, PLACES, SHAPES, SIZES, Scene, Shape

LANGUAGES = ("en", "zh")
START, END = "<start>", "<end>"
N_WORD = 32  # the longest caption, START and END included
N_UNKNOWN = 20  # unknown words that are named
MAX_TEXT = 2_000  # characters that are looked at

# meaning: (English, Chinese); the first is what captions use, the others are aliases
SAYINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "circle": (("circle", "disc", "disk", "dot", "ball", "circles"), ("圆形", "圆", "圆圈", "圆点")),
    "square": (("square", "box", "rectangle", "squares"), ("方形", "正方形", "方块", "方")),
    "triangle": (("triangle", "triangles"), ("三角形", "三角")),
    "star": (("star", "stars"), ("星形", "五角星", "星星", "星")),
    "heart": (("heart", "hearts"), ("心形", "爱心", "红心", "心")),
    "ring": (("ring", "rings", "donut", "doughnut"), ("圆环", "环形", "圆环形", "环")),
    "red": (("red",), ("红色", "红")),
    "orange": (("orange",), ("橙色", "橙", "橘色", "橘")),
    "yellow": (("yellow",), ("黄色", "黄")),
    "green": (("green",), ("绿色", "绿")),
    "blue": (("blue",), ("蓝色", "蓝")),
    "purple": (("purple", "violet"), ("紫色", "紫")),
    "white": (("white",), ("白色", "白")),
    "black": (("black",), ("黑色", "黑")),
    "small": (("small", "little", "tiny", "smaller"), ("小", "小小")),
    "large": (("large", "big", "huge", "larger"), ("大", "大大")),
    "left": (("left",), ("左边", "左侧", "左面", "左方", "左")),
    "right": (("right",), ("右边", "右侧", "右面", "右方", "右")),
    "top": (("top", "upper"), ("上方", "上边", "上面", "顶部")),
    "bottom": (("bottom", "lower"), ("下方", "下边", "下面", "底部")),
    "centre": (("centre", "center", "middle"), ("中间", "中央", "中心", "正中")),
    "above": (("above", "over"), ()),
    "below": (("below", "under", "beneath", "underneath"), ()),
    "thing": (("shape", "object", "thing", "shapes", "something"), ("图形", "形状", "东西")),
    "background": (("background", "backdrop"), ("背景",)),
    "and": (("and", "&"), ("和", "与", "及")),
    "comma": ((",", ";", "."), ("，", "、", "；", "。")),
    "one": (("a", "an", "one"), ("一个", "一", "个", "一颗", "一枚")),
    "the": (("the",), ()),
    "on": (("on",), ("在",)),
    "at": (("at", "in"), ()),
    "of": (("of",), ("的",)),
    "to": (("to",), ()),
    "with": (("with",), ("有",)),
    "up": ((), ("上",)),
    "is": (("is",), ("是",)),
}
MEANING = {words[0]: name for name, both in SAYINGS.items() for words in both if words}
VOCABULARY = ("<pad>", START, END, *MEANING)
PAD_ID, START_ID, END_ID = range(3)
ALIAS = {word: words[0] for both in SAYINGS.values() for words in both for word in words}
WORD_ID = {word: VOCABULARY.index(entry) for word, entry in ALIAS.items()}
_LONGEST = max(len(word) for word in ALIAS if not word.isascii())
_PIECE = re.compile(r"[\u3400-\u9fff]+|(?:(?![\u3400-\u9fff])\w)+|\s+|.", re.DOTALL)


@dataclass(frozen=True)
class Caption:
    """A text as the encoder reads it; words[i] has the id ids[i]."""

    words: tuple[str, ...]  # as typed, with START and END around them
    ids: tuple[int, ...]
    unknown: tuple[str, ...]  # left out; each once, in order, the first N_UNKNOWN
    n_cut: int  # words beyond N_WORD, left out too


def split(text: str, lexicon: Collection[str] = ALIAS) -> tuple[list[str], list[str]]:
    """The words of a text that `lexicon` knows, lower case, in order, and the unknown ones, each once."""
    longest = _LONGEST if lexicon is ALIAS else max((len(word) for word in lexicon if not word.isascii()), default=1)
    known: list[str] = []
    unknown: dict[str, None] = {}
    for piece in _PIECE.findall(text[:MAX_TEXT].lower()):
        if piece.isspace():
            continue
        if not "\u3400" <= piece[0] <= "\u9fff":
            (known.append(piece) if piece in lexicon else unknown.setdefault(piece[:40]))
            continue
        at, lost = 0, ""
        while at < len(piece):
            found = next((piece[at : at + n] for n in range(longest, 0, -1) if piece[at : at + n] in lexicon), "")
            if found and lost:
                unknown.setdefault(lost)
                lost = ""
            if found:
                known.append(found)
            else:
                lost += piece[at]
            at += max(1, len(found))
        if lost:
            unknown.setdefault(lost[:40])
    return known, list(unknown)


def tokenise(text: str) -> Caption:
    """Words and ids; nothing raises: the empty text is START END."""
    known, unknown = split(text)
    kept = known[: N_WORD - 2]
    ids = (START_ID, *(WORD_ID[word] for word in kept), END_ID)
    return Caption((START, *kept, END), ids, tuple(unknown[:N_UNKNOWN]), len(known) - len(kept))


# --- saying ----------------------------------------------------------------------------------------------------------


def say(meaning: str, language: str) -> str:
    """The word captions use for it."""
    return SAYINGS[meaning][LANGUAGES.index(language)][0]


def translation(word: str) -> str:
    """The word captions of the other language use for the same; "" if they have none."""
    if word not in ALIAS:
        return ""
    other = SAYINGS[MEANING[ALIAS[word]]][word.isascii()]
    return other[0] if other else ""


def caption(scene: Scene, language: str = "en", rng: random.Random | None = None) -> str:
    """One caption of a scene with one or two objects (or none). Without `rng`: the first template, everything named.

    With it: a random template, and size, place and background each left out now and then, shape and colour rarely.
    """
    keep = (lambda share: rng.random() < share) if rng else lambda share: True
    parts = [
        replace(
            _everything(thing),
            size=thing.size if keep(0.75) else None,
            colour=thing.colour if keep(0.92) else None,
            shape=thing.shape if keep(0.95) else None,
        )
        for thing in scene.objects
    ]
    background = say(scene.background, language) if keep(0.75) else ""
    pick = rng.randrange if rng else lambda n: 0
    return (_english if language == "en" else _chinese)(scene.layout, parts, background, pick, keep(0.8))


def _english(layout: str, parts: "list[Wanted]", background: str, pick: Callable[[int], int], placed: bool) -> str:
    article = pick(5) < 4  # now and then as one types: "red circle left"
    things = []
    for part in parts:
        words = [word for word in (part.size, part.colour, part.shape or "shape") if word]
        things.append((("an " if words[0][0] in "aeiou" else "a ") if article else "") + " ".join(words))
    at = {name: f"on the {name}" for name in ("left", "right")} | {name: f"at the {name}" for name in ("top", "bottom")}
    at = at | {"centre": "in the centre"} if article else {name: name for name in PLACES}
    if not things:
        return f"{background} background".strip() if background else "background"
    if len(things) == 1:
        where = at[layout] if placed else ""
        main = f"{where} {things[0]}" if where and pick(6) == 5 else f"{things[0]} {where}"
    else:
        main = _english_pair(layout, things, at, pick, placed)
    main = main.strip()
    if not background:
        return main
    ground = f"a {background} background" if article else f"{background} background"
    if article and background[0] in "aeiou":
        ground = f"an {background} background"
    return (
        f"{main}, {background} background",
        f"{main} on {ground}",
        f"{ground} with {main}",
        f"{main}, the background is {background}",
    )[pick(4)]


def _english_pair(layout: str, things: list[str], at: dict[str, str], pick: Callable[[int], int], placed: bool) -> str:
    a, b = things
    if not placed:
        return f"{a} and {b}" if pick(2) else f"{b} and {a}"
    first, second = ("left", "right") if layout == "beside" else ("top", "bottom")
    before, after = (
        ("to the left of", "to the right of")
        if layout == "beside" and pick(2)
        else ("left of", "right of")
        if layout == "beside"
        else ("above", "below")
    )
    return (
        f"{a} {before} {b}",
        f"{b} {after} {a}",
        f"{a} {at[first]} and {b} {at[second]}",
        f"{b} {at[second]} and {a} {at[first]}",
    )[pick(4)]


def _chinese(layout: str, parts: "list[Wanted]", background: str, pick: Callable[[int], int], placed: bool) -> str:
    article, of = "一个" if pick(2) == 0 else "", "的" if pick(3) < 2 else ""
    things = []
    for part in parts:
        size = say(part.size, "zh") + (of or "的" * (not part.colour)) if part.size else ""
        colour = say(part.colour, "zh") if part.colour else ""
        between = "的" if colour and pick(3) == 2 else ""
        things.append(f"{article}{size}{colour}{between}{say(part.shape or 'thing', 'zh')}")
    if not things:
        return f"{background}背景"
    if len(things) == 1:
        where = say(layout, "zh") if placed else ""
        main = (
            (f"{where}{things[0]}", f"{things[0]}在{where}", f"在{where}的{things[0]}")[pick(3)] if where else things[0]
        )
    else:
        main = _chinese_pair(layout, things, pick, placed)
    if not background:
        return main
    return (
        f"{main}，{background}背景",
        f"{background}背景，{main}",
        f"{background}背景上有{main}",
        f"{main}，背景是{background}",
    )[pick(4)]


def _chinese_pair(layout: str, things: list[str], pick: Callable[[int], int], placed: bool) -> str:
    a, b = things
    if not placed:
        return f"{a}和{b}" if pick(2) else f"{b}和{a}"
    first, second = (say(x, "zh") for x in (("left", "right") if layout == "beside" else ("top", "bottom")))
    return (
        f"{a}在{b}的{first}",
        f"{b}在{a}的{second}",
        f"{first}{a}，{second}{b}",
        f"{b}在{second}，{a}在{first}",
    )[pick(4)]


# --- understanding ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """One object asked for; None: not said."""

    shape: str | None = None
    colour: str | None = None
    size: str | None = None


@dataclass(frozen=True)
class Request:
    """What a caption asks for."""

    objects: tuple[Wanted, ...] = ()
    background: str | None = None
    layout: str | None = None  # one of LAYOUTS
    unknown: tuple[str, ...] = ()
    problem: str = ""  # "" understood, "nothing" no object, "many" more than two, "conflict" it contradicts itself

    @property
    def held_out(self) -> bool:
        """Whether it asks for a combination that no training picture shows."""
        return any(Shape(w.shape or "", w.colour or "", "").held_out for w in self.objects)


def _everything(thing: Shape) -> Wanted:
    return Wanted(thing.shape, thing.colour, thing.size)


def request(scene: Scene) -> Request:
    """Everything about a scene."""
    return Request(tuple(map(_everything, scene.objects)), scene.background, scene.layout)


def read(text: str) -> Request:
    """What a caption asks for. Raises nothing: what is wrong is named in `problem`.

    A background is the colour before that word, or after it and "is". An object is what stands before a shape word
    (also with a colour after it). Where: see `_layout`.
    """
    known, unknown = split(text)
    names = [MEANING[ALIAS[word]] for word in known]
    background, names = _background(names)
    things: list[tuple[int, Wanted]] = []  # where its noun stands, and what is said of it
    said: dict[str, str] = {}
    conflict = False
    for i, name in enumerate(names):
        kind = "colour" if name in COLOURS else "size" if name in SIZES else ""
        if kind:
            conflict |= kind in said and said[kind] != name
            said[kind] = name
        elif name in SHAPES or name == "thing":
            things.append((i, Wanted(shape=name if name in SHAPES else None, **said)))
            said = {}
    for kind, name in said.items():  # "circle, red"
        if things and getattr(things[-1][1], kind) is None:
            things[-1] = (things[-1][0], replace(things[-1][1], **{kind: name}))
    if not things and said:  # "red": something red
        things.append((len(names), Wanted(**said)))
    layout, swapped, clash = _layout(names, [at for at, _ in things])
    objects = tuple(wanted for _, wanted in things)
    problem = "nothing" if not objects and not background else "many" if len(objects) > 2 else ""
    if not problem and (conflict or clash or any(w.colour and w.colour == background for w in objects)):
        problem = "conflict"
    return Request(objects[::-1] if swapped else objects, background, layout, tuple(unknown[:N_UNKNOWN]), problem)


def _background(names: Sequence[str]) -> tuple[str | None, list[str]]:
    """The background's colour, and the other meanings."""
    found, rest = None, list(names)
    if "background" in rest:
        at = rest.index("background")
        before = at - 1 - (at > 1 and rest[at - 1] == "of")
        after = at + 1 + (at + 2 < len(rest) and rest[at + 1] == "is")
        if before >= 0 and rest[before] in COLOURS:
            found, rest = rest[before], [*rest[:before], "comma", *rest[at + 1 :]]
        elif after < len(rest) and rest[after] in COLOURS:
            found, rest = rest[after], [*rest[:at], "comma", *rest[after + 1 :]]
    return found, rest


OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def _of_second(names: Sequence[str], at: int, nouns: Sequence[int]) -> bool:
    """Whether the only place of a caption is said of its second object: "A，右边B", "A的右边是B"."""
    before = at - 1
    while before >= 0 and names[before] in ("on", "at", "the", "to"):
        before -= 1
    between = nouns[0] < at < nouns[1] and names[before] in ("comma", "and", "of")
    return between and names[at + 1] != "of" and names[at] not in ("above", "below")


def _layout(names: Sequence[str], nouns: Sequence[int]) -> tuple[str | None, bool, bool]:
    """(layout, whether the second object named comes first, whether the caption contradicts itself).

    One object: the place named. Two: "A left of B", "A on B's left" and its like say where A stands as seen from B;
    "A left, B right" says it of each.
    """
    where = [
        (i, {"above": "top", "below": "bottom"}.get(x, x))
        for i, x in enumerate(names)
        if x in (*PLACES, "above", "below")
    ]
    if not where or len(nouns) not in (1, 2):
        return None, False, False
    if len(nouns) == 1:
        return where[0][1], False, len({place for _, place in where}) > 1
    first = where[0][1]
    if len(where) > 1:
        if OPPOSITE.get(first) != where[1][1] or len(where) > 2:
            return None, False, True
    elif first == "centre":
        return None, False, True
    elif _of_second(names, where[0][0], nouns):
        first = OPPOSITE[first]
    return "beside" if first in ("left", "right") else "over", first in ("right", "bottom"), False
