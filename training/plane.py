"""Train the networks of the plane: `python -m training.plane`.

One for each distribution and each of epsilon, x0 and v, by the recipe of models/plane_training.py, which also trains a
network for a drawing while the visitor waits, for fewer steps. Every finished network is kept in the cache: stopped
and started again, the script goes on with the next one, and ends at the same weights.
"""

import argparse
import hashlib
import json
import platform
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.noise_schedule import KINDS, SCHEDULES
from models.plane_data import DATA, draw
from models.plane_net import NAME, WEIGHTS, PlaneNet, build, n_param
from models.plane_quality import outside, sliced
from models.plane_sampling import Setting, start, walk
from models.plane_training import LIVE, SHIPPED, Recipe, fit

N_MEASURED = 4096
SAMPLINGS = (("ddim", 50), ("ddpm", 200))


def trained(data: str, kind: str, recipe: Recipe, cache: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    """Weights in half precision, and their log: from the cache, or trained now."""
    identity = hashlib.sha256(repr((data, kind, recipe)).encode()).hexdigest()[:12]
    file = cache / f"plane_{data}_{kind}_{identity}.safetensors"
    if not file.exists():
        fitted = fit(data, kind, recipe)
        weights = {name: weight.half().contiguous() for name, weight in fitted.net.state_dict().items()}
        file.with_suffix(".json").write_text(json.dumps({"seconds": round(fitted.seconds), "curve": fitted.curve}))
        part = file.with_suffix(".part")
        save_file(weights, part)
        part.replace(file)
    return load_file(file), json.loads(file.with_suffix(".json").read_text())


def measured(data: str, kind: str, net: PlaneNet) -> dict[str, float]:
    """Sliced Wasserstein distance to fresh data, of as many points; and that of data to data."""
    generator = torch.Generator().manual_seed(99)
    fresh, other = draw(data, N_MEASURED, generator).x, draw(data, N_MEASURED, generator).x
    found = {"floor": round(float(sliced(fresh, other)), 4)}
    for schedule in SCHEDULES:
        for sampler, n_step in SAMPLINGS:
            path = walk(Setting(data, kind, schedule), net, start(N_MEASURED, 7), n_step, sampler, seed=7, keep=())
            name = f"{schedule}_{sampler}_{n_step}"
            found[name] = round(float(sliced(path.x[-1], fresh)), 4)
            found[f"{name}_outside"] = round(float(outside(path.x[-1], torch.cat((fresh, other))).float().mean()), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the networks of the plane: models/weights/plane_nets*")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)

    weights: dict[str, torch.Tensor] = {}
    nets: dict[str, dict[str, object]] = {}
    for data in DATA:
        for kind in KINDS:
            own, log = trained(data, kind, SHIPPED, args.cache)
            weights |= {f"{data}.{kind}.{name}": weight for name, weight in own.items()}
            nets[f"{data}.{kind}"] = {**log, "sliced_wasserstein": measured(data, kind, build(own))}
            print(data, kind, log["seconds"], "s", json.dumps(nets[f"{data}.{kind}"]["sliced_wasserstein"]), flush=True)
    file = WEIGHTS / f"{NAME}.safetensors"
    save_file(weights, file)
    card = {
        "recipe": asdict(SHIPPED),
        "live_recipe": asdict(LIVE),
        "n_param": n_param(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "data": f"drawn without end from models/plane_data.py; measured against {N_MEASURED} fresh points",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "nets": nets,
    }
    text = json.dumps(card, ensure_ascii=False).replace('"nets": {', '"nets": {\n ').replace('}}, "', '}},\n "')
    (WEIGHTS / f"{NAME}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
