"""What the further pictures of the page are made of: by name, the work, what it depends on, and what its note says.

Convention: `asked` names every value that a picture depends on, and no other, so that nothing is computed twice.
"""

from collections.abc import Callable, Mapping
from typing import Any

from models import clip, clip_training, clip_twin, clip_uses
from models.clip import Config
from models.image_input import Picture

COMPOSED = ("zero_shot", "retrieval")  # those that ask with a scene or an uploaded picture


def asked(name: str, cfg: Config, own: Picture | None) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The work and its arguments."""
    match name:
        case "losses":
            return clip.sweep, (clip.swept(cfg),)
        case "zero_shot":
            return clip_uses.zero_shot, (cfg.scene, cfg.labels, cfg.temperature, own)
        case "retrieval":
            return clip_uses.retrieve, (cfg.query, cfg.scene, cfg.language, own)
        case "training":
            return clip_training.progress, (cfg.language, cfg.trained)
        case "gap":
            return clip_training.gap, (cfg.trained,)
        case "twin":
            return clip_twin.beside, (cfg.language,)
        case "combinations":
            return clip_uses.combinations, (cfg.language,)
        case "binding":
            return clip_uses.bindings, (cfg.language,)
    raise ValueError(name)


def facts(name: str, found: Any, cfg: Config) -> Mapping[str, float | int | str]:
    """What the note of a picture names."""
    match name:
        case "losses":
            return clip.sweep_facts(found, cfg.temperature)
        case "zero_shot":
            return clip_uses.choice_facts(found)
        case "retrieval":
            return clip_uses.found_facts(found)
        case "training":
            return clip_training.progress_facts(found)
        case "gap":
            return clip_training.gap_facts(found)
        case "twin":
            return clip_twin.facts(found)
        case "combinations":
            return clip_uses.combination_facts(found)
        case "binding":
            return clip_uses.binding_facts(found)
    raise ValueError(name)
