"""What can be set on the page about denoising in the plane, and what of it matters to a computation."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from models.drawing import EXAMPLE, LONGEST
from models.fields import Choice, LogRange, Range, Text
from models.noise_schedule import KINDS, N_TRAIN, SCHEDULES
from models.plane_data import DATA, MOST_CLASSES, WORD, n_class
from models.plane_sampling import EXACT, Setting

COUNTS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Config:
    """One sampling by both samplers from one start."""

    data: Annotated[str, Choice(*DATA)] = "moons"  # the last one is "drawn"
    n_step: Annotated[int, LogRange(1, N_TRAIN, per_decade=10)] = 50
    eta: Annotated[float, Range(0.0, 1.0, 0.05)] = 0.0  # of DDIM
    towards: Annotated[int, Range(0, MOST_CLASSES)] = 0  # 0: any class; a class too many counts as the last there is
    guidance: Annotated[float, Range(0.0, 8.0, 0.25)] = 2.0  # matters when a class is asked for
    kind: Annotated[str, Choice(*KINDS)] = "epsilon"
    schedule: Annotated[str, Choice(*SCHEDULES)] = "linear"
    model: Annotated[str, Choice("learned", "exact")] = "learned"  # exact: of the Gaussians, else learned
    formula: Annotated[str, Choice("right", "wrong")] = "right"  # of DDPM's step
    seed: Annotated[int, Range(0, 99)] = 0
    drawing: Annotated[str, Text(LONGEST)] = EXAMPLE  # models/drawing.py
    t: Annotated[int, Range(0, N_TRAIN)] = 0  # the frame shown: the one nearest to it
    noised: Annotated[int, Range(0, N_TRAIN)] = 300  # the frame shown of the forward process


def setting(cfg: Config) -> Setting:
    """What the prediction depends on."""
    return Setting(
        data=cfg.data,
        kind=cfg.kind,
        schedule=cfg.schedule,
        exact=cfg.model == "exact" and cfg.data in EXACT,
        label=min(cfg.towards, n_class(cfg.data, cfg.drawing)),
        scale=cfg.guidance,
        text=cfg.drawing,
    )


def sampled(cfg: Config) -> Config:
    """The same sampling, whatever frame is shown, and without the values that do not matter here."""
    plain = Config()
    label = min(cfg.towards, n_class(cfg.data, cfg.drawing))
    return replace(
        cfg,
        t=plain.t,
        noised=plain.noised,
        towards=label,
        guidance=cfg.guidance if label else plain.guidance,
        drawing=cfg.drawing if cfg.data == "drawn" else plain.drawing,
        model=cfg.model if cfg.data in EXACT else plain.model,
        kind=plain.kind if cfg.model == "exact" and cfg.data in EXACT else cfg.kind,
    )


def limits(values: dict[str, Any]) -> dict[str, Range]:
    """As many classes as the data have."""
    return {"towards": Range(0, n_class(values["data"], values["drawing"]))}


def labels(data: str, n: int) -> tuple[str, ...]:
    """What the classes of the data are called, where that needs no words."""
    return tuple(WORD) if data == "letters" else tuple(str(i + 1) for i in range(n))
