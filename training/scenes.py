"""Train the drawn scenes' models: `python -m training.scenes`, or one part after another.

    vae          autoencoder on training scenes: models/weights/scene_vae.safetensors
    classifier   the judge, on all scenes, those held out as well: scene_classifier.safetensors
    unet         text encoder and U-Net on the VAE's latents: scene_text.safetensors, scene_unet.safetensors
    card         measures what is shipped: scenes.json

Stopped and started again, every run goes on from its last checkpoint: batch i is drawn from a generator seeded by
(seed, i) alone. `--export FILE` writes the U-Net's weights from a checkpoint while it is still learning.

Recipe: first the text encoder learns to say what a caption says (Stable Diffusion's comes trained, too), then it goes
on learning with the U-Net. v-prediction on the cosine schedule, whose last step leaves no signal for epsilon to be
divided by. Times are spread evenly over each batch, which makes the loss less noisy. One caption in eight is empty, for
guidance. A running mean of the weights is kept and shipped. The forward pass computes in bfloat16, the weights stay in
single precision. After its first pass the VAE turned small stars into blobs: a second one, on pictures with two
objects, mended that. Without vectors for its positions the U-Net had not learned "left" after 1,500 steps.
"""

import argparse
import hashlib
import json
import platform
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn

from models import noise_schedule, scene_classifier, scene_pipeline
from models.scene_captions import LANGUAGES, caption, read
from models.scene_classifier import QUESTIONS, SceneClassifier
from models.scene_parts import initialise
from models.scene_text import TextEncoder, pack
from models.scene_unet import SceneUNet
from models.scene_vae import N_CHANNEL, N_SIDE, SceneVAE, reconstruction_loss
from models.scenes import COLOURS, HELD_OUT, SHARE_SINGLE, Scene, draw, sample
from models.tiny_lm import WEIGHTS
from training import loop, scene_scores

ALPHA_BAR = noise_schedule.schedule(scene_pipeline.SCHEDULE, scene_pipeline.N_TRAIN)


@dataclass(frozen=True)
class Recipe:
    """How one of the three is trained."""

    n_step: int
    n_row: int  # pictures in a batch
    lr: float
    n_warmup: int
    weight_decay: float = 0.01
    n_scene: int = 20_000  # different scenes; captions are drawn anew each time
    single: float = SHARE_SINGLE  # share of them with one object
    seed: int = 0


VAE = Recipe(n_step=1_500, n_row=64, lr=2e-3, n_warmup=50)
VAE_AGAIN = Recipe(n_step=2_600, n_row=64, lr=2e-3, n_warmup=50, single=0.1, seed=1)  # more to draw in each picture
CLASSIFIER = Recipe(n_step=1_200, n_row=64, lr=2e-3, n_warmup=50)
TEXT = Recipe(n_step=400, n_row=128, lr=2e-3, n_warmup=30)
UNET = Recipe(n_step=6_000, n_row=64, lr=1.2e-3, n_warmup=150)
UNET_AGAIN = Recipe(n_step=1_900, n_row=64, lr=6e-4, n_warmup=50)  # also on the pictures of VAE_AGAIN
N_EMPTY = 150  # empty pictures of each colour for the judge
BETA, BETA_AGAIN = 1e-4, 1e-5  # of the VAE's KL term
SHARE_EMPTY = 0.125  # of captions dropped
EMA = 0.997


def rng(recipe: Recipe, step: int) -> torch.Generator:
    """For one batch."""
    return torch.Generator().manual_seed(recipe.seed * 1_000_003 + step + 1)


def drawn(cache: Path, held_out: bool | None, recipe: Recipe) -> tuple[list[Scene], Float[Tensor, "n 3 y x"]]:
    """The scenes to train on and their pictures, drawn once."""
    scenes = sample(torch.Generator().manual_seed(recipe.seed), recipe.n_scene, held_out, recipe.single)
    file = cache / f"scenes_{'all' if held_out is None else 'train'}_{recipe.n_scene}_{recipe.seed}.pt"
    if not file.exists():
        torch.save(to_bytes(draw(scenes)), file)
    return scenes, torch.load(file, weights_only=True)


def to_bytes(picture: Float[Tensor, "b 3 y x"]) -> Tensor:
    """0 to 255 from [-1, 1]."""
    return picture.mul(127.5).add(127.5).round().to(torch.uint8)


def picture(stored: Tensor) -> Float[Tensor, "b 3 y x"]:
    """[-1, 1] from bytes."""
    return stored.float() / 127.5 - 1


def low_precision() -> torch.autocast:
    """For forward passes in training."""
    return torch.autocast("cpu", dtype=torch.bfloat16)


# --- the autoencoder -------------------------------------------------------------------------------------------------


def train_vae(
    vae: SceneVAE, recipe: Recipe, pictures: Tensor, beta: float, checkpoint: Path, stop_at: int | None = None
) -> loop.Log:
    """In place; latents are not yet shifted and scaled."""

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = rng(recipe, step)
        x = picture(pictures[torch.randint(len(pictures), (recipe.n_row,), generator=generator)])
        noise = torch.randn(recipe.n_row, N_CHANNEL, N_SIDE, N_SIDE, generator=generator)
        with low_precision():
            loss, square = reconstruction_loss(vae, x, noise, beta)
        return loss, float(square.detach())

    return loop.fit(vae, recipe, loss_at, checkpoint, repr(("vae", recipe, beta)), stop_at=stop_at)


@torch.no_grad()
def latents(vae: SceneVAE, pictures: Tensor) -> Float[Tensor, "n c h w"]:
    """As the U-Net sees them."""
    return torch.cat([vae.encode(picture(part)) for part in pictures.split(250)])


def encoded(cache: Path, recipe: Recipe) -> tuple[list[Scene], Float[Tensor, "n c h w"]]:
    """The scenes to train on and their latents by the shipped VAE, computed once."""
    scenes, pictures = drawn(cache, False, recipe)
    weights = hashlib.sha256((WEIGHTS / "scene_vae.safetensors").read_bytes()).hexdigest()
    file = cache / f"scenes_latents_{recipe.n_scene}_{recipe.seed}_{weights[:12]}.pt"
    if not file.exists():
        torch.save(latents(scene_pipeline.load_part("scene_vae", SceneVAE()), pictures), file)
    return scenes, torch.load(file, weights_only=True)


# --- text encoder and U-Net ------------------------------------------------------------------------------------------


class Reader(nn.Module):
    """The text encoder at school: the mean over a caption's words must tell what the caption says."""

    def __init__(self) -> None:
        super().__init__()
        self.text = TextEncoder()
        self.heads = nn.ModuleList(nn.Linear(self.text.width, len(names)) for names in QUESTIONS.values())

    def forward(self, ids: Int[Tensor, "b w"], mask: Bool[Tensor, "b w"]) -> dict[str, Float[Tensor, "b _"]]:
        mean = (self.text(ids, mask) * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return {name: head(mean) for name, head in zip(QUESTIONS, self.heads, strict=True)}


def said(scene: Scene, text: str) -> dict[str, int]:
    """The answers to the classifier's questions as far as the caption gives them, else -1."""
    right, wanted = scene_classifier.answers(scene), read(text)
    if not wanted.background:
        right["background"] = -1
    if not wanted.layout:
        right["layout"] = -1
    ordered = bool(wanted.layout) or len(wanted.objects) == 1
    for k in (1, 2):
        for name in ("shape", "colour", "size"):
            if not (ordered and k <= len(wanted.objects) and getattr(wanted.objects[k - 1], name)):
                right[f"{name} {k}"] = -1
    return right


def train_text(recipe: Recipe, scenes: list[Scene], checkpoint: Path) -> Reader:
    """The encoder before it meets pictures."""
    model = Reader()
    initialise(model, torch.Generator().manual_seed(recipe.seed))

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = rng(recipe, step)
        some = [scenes[i] for i in torch.randint(len(scenes), (recipe.n_row,), generator=generator).tolist()]
        texts = captions(some, generator, 0.0)
        loss = scene_classifier.loss(model(*pack(texts)), [said(*pair) for pair in zip(some, texts, strict=True)])
        return loss, float(loss.detach())

    loop.fit(model, recipe, loss_at, checkpoint, repr(("text", recipe)))
    return model


class Denoiser(nn.Module):
    """What is trained together: ids and noisy latents -> v."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.unet = TextEncoder(), SceneUNet()

    def forward(
        self,
        latent: Float[Tensor, "b c h w"],
        t: Float[Tensor, "b"],
        ids: Int[Tensor, "b w"],
        mask: Bool[Tensor, "b w"],
    ) -> Float[Tensor, "b c h w"]:
        return self.unet(latent, t, self.text(ids, mask), mask)[0]


def spread_times(n: int, generator: torch.Generator) -> Int[Tensor, "b"]:
    """One time in each n-th of the training times, in random order."""
    n_train = scene_pipeline.N_TRAIN
    times = ((torch.arange(n) + torch.rand(n, generator=generator)) / n * n_train).long().clamp(max=n_train - 1)
    return times[torch.randperm(n, generator=generator)]


def captions(scenes: list[Scene], generator: torch.Generator, share_empty: float = SHARE_EMPTY) -> list[str]:
    """One random caption per scene, half of them Chinese, some empty."""
    words = random.Random(int(torch.randint(2**62, (), generator=generator)))
    texts = [caption(scene, words.choice(LANGUAGES), words) for scene in scenes]
    return ["" if words.random() < share_empty else text for text in texts]


def diffusion_loss(
    model: nn.Module, latent: Float[Tensor, "b c h w"], texts: list[str], generator: torch.Generator
) -> Float[Tensor, ""]:
    """Mean squared error of v at random times."""
    t = spread_times(len(latent), generator)
    noise = torch.randn(latent.shape, generator=generator)
    ab = ALPHA_BAR[t][:, None, None, None]
    noisy = noise_schedule.add_noise(latent, noise, ab)
    with low_precision():
        v = model(noisy, t.float(), *pack(texts))
    return F.mse_loss(v.float(), noise_schedule.target(latent, noise, ab, scene_pipeline.KIND))


def train_unet(
    recipe: Recipe,
    scenes: list[Scene],
    latent: Float[Tensor, "n c h w"],
    checkpoint: Path,
    begin: Denoiser,
    note: Callable[[int, Denoiser], dict[str, object] | None] = lambda step, ema: None,
    stop_at: int | None = None,
) -> tuple[Denoiser, loop.Log]:
    """The running mean of the weights, which start as `begin`'s, and the log."""
    model = Pacer(Denoiser())
    model.now.load_state_dict(begin.state_dict())
    model.mean.load_state_dict(begin.state_dict())

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = rng(recipe, step)
        at = torch.randint(len(latent), (recipe.n_row,), generator=generator)
        loss = diffusion_loss(model.now, latent[at], captions([scenes[i] for i in at.tolist()], generator), generator)
        model.n_step = step
        return loss, float(loss.detach())

    identity = repr(("unet", recipe, EMA, SHARE_EMPTY))
    log = loop.fit(
        model, recipe, loss_at, checkpoint, identity,
        note=lambda step: note(step, model.mean), after=model.follow, stop_at=stop_at,
    )  # fmt: skip
    return model.mean, log


class Pacer(nn.Module):
    """A model and the running mean of its weights, kept in one checkpoint."""

    def __init__(self, model: Denoiser) -> None:
        super().__init__()
        self.now, self.mean, self.n_step = model, Denoiser().requires_grad_(False), 0

    @torch.no_grad()
    def follow(self) -> None:
        """One step of the mean: at first it forgets faster, so that the start does not linger."""
        keep = min(EMA, (1 + self.n_step) / (10 + self.n_step))
        torch._foreach_lerp_(list(self.mean.parameters()), list(self.now.parameters()), 1 - keep)


def last(checkpoint: Path) -> tuple[Denoiser, loop.Log]:
    """The running mean and the log of a training that is still going on."""
    saved = torch.load(checkpoint, weights_only=True)
    model = Pacer(Denoiser())
    model.load_state_dict(saved["model"])
    return model.mean, loop.Log(**saved["log"])


def train_both(cache: Path) -> tuple[Denoiser, loop.Log]:
    """Text encoder, then both passes of the U-Net."""
    scenes, latent = encoded(cache, UNET)
    begin = Denoiser()
    initialise(begin, torch.Generator().manual_seed(UNET.seed))
    begin.text.load_state_dict(train_text(TEXT, scenes, cache / "scene_text.pt").text.state_dict())
    half, first = train_unet(UNET, scenes, latent, cache / "scene_unet.pt", begin, watch)
    crowded, more = encoded(cache, VAE_AGAIN)
    scenes, latent = scenes + crowded, torch.cat((latent, more))

    def note(step: int, mean: Denoiser) -> dict[str, object] | None:
        return watch(step + UNET.n_step, mean)

    model, second = train_unet(UNET_AGAIN, scenes, latent, cache / "scene_unet_again.pt", half, note)
    return model, both(first, second)


def both(a: loop.Log, b: loop.Log) -> loop.Log:
    """Of two passes one after the other."""
    return loop.Log(a.losses + b.losses, a.seconds + b.seconds, a.notes + b.notes)


def watch(step: int, mean: Denoiser) -> dict[str, object] | None:
    """Every 500 steps: is everything named right, on a few fresh captions of one object, held out and seen?"""
    if (step + 1) % 500:
        return None
    vae = scene_pipeline.load_part("scene_vae", SceneVAE())
    judge = scene_pipeline.load_part("scene_classifier", SceneClassifier())
    pipeline = scene_pipeline.Pipeline(vae, mean.text, mean.unet, judge, {})
    words = random.Random(step)
    found = {}
    for name, held_out, n in (("held_out", True, 40), ("seen", False, 20)):
        found[name] = scene_scores.accuracy(pipeline, scene_scores.fresh(step, n, held_out, 1.0, words))
    return {"step": step + 1, **found}


# --- the judge -------------------------------------------------------------------------------------------------------


def train_classifier(
    recipe: Recipe, scenes: list[Scene], pictures: Tensor, checkpoint: Path, stop_at: int | None = None
) -> tuple[SceneClassifier, loop.Log]:
    """The model and its log. Pictures are shifted by up to a pixel, dimmed and made noisy: it must not be pedantic."""
    model = SceneClassifier()
    initialise(model, torch.Generator().manual_seed(recipe.seed))

    def loss_at(step: int) -> tuple[Float[Tensor, ""], float]:
        generator = rng(recipe, step)
        at = torch.randint(len(scenes), (recipe.n_row,), generator=generator)
        x = scene_scores.spoil(picture(pictures[at]), generator)
        with low_precision():
            loss = scene_classifier.loss(model(x), [scene_classifier.answers(scenes[i]) for i in at.tolist()])
        return loss, float(loss.detach())

    return model, loop.fit(model, recipe, loss_at, checkpoint, repr(("classifier", recipe)), stop_at=stop_at)


# --- files -----------------------------------------------------------------------------------------------------------


def ship(name: str, model: nn.Module) -> None:
    """Half precision, models/weights/scene_<name>.safetensors."""
    weights = {key: weight.detach().half().contiguous() for key, weight in model.state_dict().items()}
    save_file(weights, WEIGHTS / f"scene_{name}.safetensors")


def remember(cache: Path, name: str, recipes: tuple[Recipe, ...], model: nn.Module, log: loop.Log) -> None:
    """What the card will say of a training."""
    said = {
        "recipe": [asdict(recipe) for recipe in recipes],
        "n_param": sum(weight.numel() for weight in model.parameters()),
        "steps_done": len(log.losses),
        "seconds": round(log.seconds),
        "loss_curve": loop.curve(log.losses, 60),
        "notes": log.notes,
    }
    (cache / f"scene_{name}.json").write_text(json.dumps(said), encoding="utf-8")


def write_card(cache: Path) -> None:
    """Everything measured on the weights as shipped."""
    scene_pipeline.load.cache_clear()
    trained = {name: json.loads((cache / f"scene_{name}.json").read_text(encoding="utf-8"))
               for name in ("vae", "unet", "classifier")}  # fmt: skip
    if not (WEIGHTS / "scenes.json").exists():
        (WEIGHTS / "scenes.json").write_text("{}\n", encoding="utf-8")
    card = {
        "data": "drawn by models/scenes.py, captions by models/scene_captions.py; no other data",
        "held_out": sorted(map(list, HELD_OUT)),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "trained": trained,
        "measured": scene_scores.measure(scene_pipeline.load()),
        "sha256": {name: hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest()
                   for name in scene_pipeline.FILES},
    }  # fmt: skip
    (WEIGHTS / "scenes.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card["measured"], indent=1))


def make_vae(cache: Path) -> None:
    """Both passes, and what brings latents to unit size."""
    vae = SceneVAE()
    initialise(vae, torch.Generator().manual_seed(VAE.seed))
    _, pictures = drawn(cache, False, VAE)
    first = train_vae(vae, VAE, pictures, BETA, cache / "scene_vae.pt")
    _, crowded = drawn(cache, False, VAE_AGAIN)
    second = train_vae(vae, VAE_AGAIN, crowded, BETA_AGAIN, cache / "scene_vae_again.pt")
    found = torch.cat([vae.moments(picture(part))[0].detach() for part in pictures[:4_000].split(250)])
    vae.shift.copy_(found.mean((0, 2, 3)))
    vae.scale.copy_(found.std((0, 2, 3)))
    ship("vae", vae)
    remember(cache, "vae", (VAE, VAE_AGAIN), vae, both(first, second))


def make_classifier(cache: Path) -> None:
    """The judge sees all combinations, and now and then nothing at all."""
    scenes, pictures = drawn(cache, None, CLASSIFIER)
    empty = [Scene(colour) for colour in COLOURS] * N_EMPTY
    scenes, pictures = scenes + empty, torch.cat((pictures, to_bytes(draw(empty))))
    model, log = train_classifier(CLASSIFIER, scenes, pictures, cache / "scene_classifier.pt")
    ship("classifier", model)
    remember(cache, "classifier", (CLASSIFIER,), model, log)


def ship_unet(cache: Path, model: Denoiser, log: loop.Log) -> None:
    """Two files."""
    ship("text", model.text)
    ship("unet", model.unet)
    remember(cache, "unet", (TEXT, UNET, UNET_AGAIN), model, log)


PARTS = {
    "vae": make_vae,
    "classifier": make_classifier,
    "unet": lambda cache: ship_unet(cache, *train_both(cache)),
    "card": write_card,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the drawn scenes' models: models/weights/scene*")
    parser.add_argument("part", nargs="?", choices=tuple(PARTS), help="all of them in order, if left out")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "model-atlas" / "training")
    parser.add_argument("--export", type=Path, help="write the weights of this checkpoint of the U-Net, and no more")
    args = parser.parse_args()
    torch.set_num_threads(1)  # another number rounds sums differently
    args.cache.mkdir(parents=True, exist_ok=True)
    if args.export:
        ship_unet(args.cache, *last(args.export))
        return
    for part in [args.part] if args.part else PARTS:
        PARTS[part](args.cache)


if __name__ == "__main__":
    main()
