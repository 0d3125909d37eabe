"""Which question is put to the chain: the visitor's own, or the first of a kind that the scene answers clearly.

Glossary
    typed      in the visitor's words; what the model has never seen is left out and named
    replaced   the scene has no clear question of the kind asked for: how many shapes there are is always clear
    truth      the right answer, one word; "" where nobody knows: of a description, of an uploaded picture
"""

from collections.abc import Callable
from dataclasses import dataclass

from models.scene_captions import LANGUAGES
from models.scene_questions import known, questions, spell
from models.scene_vlm import DESCRIBE, question_ids
from models.scenes import Scene

ASK = ("colour", "shape", "count", "relation", "caption", "typed")
UNSEEN = {  # asked about an uploaded picture, of which nothing is known
    "relation": ("where is the circle seen from the square ?", "圆形在方形的哪边？"),
    "colour": ("what colour is the circle ?", "圆形是什么颜色？"),
    "shape": ("which shape is red ?", "红色的是什么形状？"),
    "count": ("how many shapes are there ?", "有几个图形？"),
}


class QuestionUnreadable(Exception):
    """A question without one known word."""

    def sentence(self, language: str, plain: Callable[[str], str] = str) -> str:
        """What would be understood."""
        if language == "zh":
            return f"这个问题里没有模型认识的词。可以这样问：`{UNSEEN['colour'][1]}`或 `{UNSEEN['count'][0]}`。"
        example = f"`{UNSEEN['colour'][0]}` or `{UNSEEN['count'][1]}`"
        return f"The model knows no word of this question. Ask like this: {example}."


@dataclass(frozen=True)
class Asked:
    """A question as it is put to the model."""

    text: str
    kind: str
    truth: str
    replaced: bool = False
    unknown: tuple[str, ...] = ()


def choose(kind: str, language: str, typed: str, scene: Scene | None) -> Asked:
    """What to ask about a scene, None if it is not known. kind: one of ASK. Raises QuestionUnreadable."""
    if kind == "typed":
        ids, unknown = question_ids(typed)
        if not ids:
            raise QuestionUnreadable
        found = known(scene, typed) if scene else None
        return Asked(spell(ids), found.kind if found else "typed", found.answer if found else "", unknown=unknown)
    if kind == "caption":
        return Asked(DESCRIBE[language], "caption", "")
    if scene is None:
        return Asked(UNSEEN[kind][LANGUAGES.index(language)], kind, "")
    every = [q for q in questions(scene, language) if q.answer != "0"]
    right = [q for q in every if q.kind == kind] or [q for q in questions(scene, language) if q.kind == "count"][-1:]
    return Asked(right[0].text, right[0].kind, right[0].answer, replaced=right[0].kind != kind)
