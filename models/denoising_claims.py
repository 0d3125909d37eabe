"""The numbers behind what people say of DDPM and DDIM, computed when asked for."""

from models.denoising_comparisons import Quality, determinism, quality, variance, wrong_formula
from models.denoising_config import Config

COUNTS = (5, 10, 50, 1000)


def reverse_step() -> dict[str, float]:
    """Claim: a step back is (x_t - epsilon) / sqrt(1 - beta) + noise. Three formulas, exact epsilon, data at +-1."""
    found = wrong_formula()
    said: dict[str, float] = {}
    for s, name in enumerate(found.name):
        said |= {f"std_{name}": float(found.deviation[s, -1]), f"near_{name}": float(found.near[s])}
    return said | {
        "coefficient_first": float(found.coefficient[0]),
        "coefficient_middle": float(found.coefficient[499]),
        "coefficient_last": float(found.coefficient[-1]),
    }


def deterministic() -> dict[str, float]:
    """Claim: DDIM is deterministic. Two runs from one start with different fresh noise, by eta."""
    found, same = determinism(Config()), variance(Config())
    of = dict(zip(found.eta, found.apart.tolist(), strict=True))
    return {
        "apart_0": of[0.0],
        "apart_half": of[0.5],
        "apart_1": of[1.0],
        "strangers": found.strangers,
        "ddpm": found.ddpm,
        "path_difference": same.apart,
        "variance_difference": same.largest_difference,
    }


def every_run_differs() -> dict[str, float]:
    """Claim: every run of DDPM gives another result. The same noise, start and steps, gives the same one."""
    found = determinism(Config())
    return {"ddpm": found.ddpm, "again": found.again, "ddim": float(found.apart[0]), "strangers": found.strangers}


def of(found: Quality, name: str, count: int) -> float:
    """One number of the curves."""
    return float(found.sliced[found.name.index(name), found.count.index(count)])


def almost_unchanged() -> dict[str, float]:
    """Claims: from 1000 to 50 steps DDIM loses almost nothing; DDPM is always better. On the checkerboard."""
    found = quality(Config(data="checkerboard"), counts=COUNTS)
    *few, most = COUNTS
    said = {f"{name}_{count}": of(found, name, count) for name in ("ddim", "ddpm") for count in few}
    said |= {f"{name}_all": of(found, name, most) for name in ("ddim", "ddpm")}
    seconds = found.seconds[found.name.index("ddim")]
    return said | {
        "worse": said["ddim_50"] / said["ddim_all"] - 1,
        "floor": found.floor,
        "speed": float(seconds[COUNTS.index(most)] / seconds[COUNTS.index(50)]),
    }


CLAIMS = {
    "reverse-step": reverse_step,
    "deterministic": deterministic,
    "every-run-differs": every_run_differs,
    "almost-unchanged": almost_unchanged,
    "ddpm-better": almost_unchanged,
}
