"""How quick the pages about diffusion are: a new sampling, with all that its page shows of it."""

from __future__ import annotations

from collections.abc import Callable

from bench.positions import turns

Report = Callable[[str, float, float | None, str], None]


def measure(rounds: int, report: Report) -> None:
    """All three computations."""
    points(rounds, report)
    pictures(rounds, report)
    text(rounds, report)


def points(rounds: int, report: Report) -> None:
    """320 points by DDPM and DDIM in 50 steps, with everything /denoising shows of them; floor: diffusers' two
    schedulers with the same network, the results alone."""
    from models import denoising, denoising_reference
    from models.denoising_config import setting
    from models.plane_sampling import start
    from models.plane_training import network

    cfg = denoising.Config()
    net = network(cfg.data, cfg.kind, cfg.drawing).net

    def floor(seed: int) -> object:
        begun = start(denoising.N_POINT, seed)
        return [
            denoising_reference.their_path(setting(cfg), net, begun, 50, sampler, 0.0, seed)
            for sampler in ("ddpm", "ddim")
        ]

    report(
        "points by both samplers, 50 steps",
        *turns(rounds, lambda seed: denoising.trace(denoising.Config(seed=seed)), floor),
        "ms",
    )


def pictures(rounds: int, report: Report) -> None:
    """16 pictures in 20 DDIM steps with guidance, every step decoded twice and every word's attention kept; floor: the
    U-Net's passes and the last pictures."""
    import torch

    from models import latent_diffusion
    from models.scene_pipeline import load

    plain, pipeline = latent_diffusion.Config(), load()
    asked = pipeline.encode_text([plain.text] * 16 + [""] * 16)

    def page(seed: int) -> object:
        return latent_diffusion.trace(latent_diffusion.Config(number="16", seed=seed))

    @torch.no_grad()
    def floor(seed: int) -> object:
        x = pipeline.noise(32, torch.Generator().manual_seed(seed))
        for i in range(plain.steps):
            out, _ = pipeline.unet(x, 999 - 50 * i, asked)
        return pipeline.vae.decode(out[:16])

    report("16 pictures, 20 DDIM steps with guidance", *turns(rounds, page, floor), "ms")


def text(rounds: int, report: Report) -> None:
    """32 tokens by masked diffusion in 8 passes and by the autoregressive model in 32, with all candidates of every
    pass; floor: the passes alone."""
    import torch

    from models import masked_lm, text_diffusion, tiny_lm

    plain, model, judge = text_diffusion.Config(), masked_lm.load(), tiny_lm.load()
    prompt = judge.encode(plain.text)

    def page(seed: int) -> object:
        return text_diffusion.trace(text_diffusion.Config(seed=seed))

    @torch.no_grad()
    def floor(seed: int) -> object:
        whole = torch.tensor([prompt + [model.mask] * plain.length])
        passes = [model(whole) for _ in range(plain.steps)]
        row = torch.tensor([prompt + [0] * plain.length])
        return passes, [judge.model(row[:, : len(prompt) + i])[0] for i in range(plain.length)]

    report("32 tokens, 8 passes of diffusion and 32 of AR", *turns(rounds, page, floor), "ms")
