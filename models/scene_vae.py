"""The autoencoder of the scenes' diffusion model: 32 x 32 x 3 values become 8 x 8 x 4, and a picture again.

Sources: Kingma & Welling 2013, "Auto-Encoding Variational Bayes", sections 2.3 and 2.4 and appendix B; Rombach et al.
2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 3.1 (a mild KL term) and appendix G
(latents brought to unit size).

    encoder   picture -> mean, log_variance                     z = mean + exp(log_variance / 2) noise
    decoder   z -> picture
    KL        = 1/2 (mean^2 + exp(log_variance) - 1 - log_variance), per latent value, nats
    latent    = (mean - shift) / scale                          shift and scale per channel, over the training pictures

Glossary
    space-to-depth   2 x 2 pixels become 12 channels of one: the first and last layers work at 16 x 16

Conventions: `encode` and `decode` speak of latents as the U-Net sees them: mean 0, standard deviation 1 per channel.
Simplified: no adversarial and no perceptual loss; drawn scenes do without.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.scene_parts import ResBlock, conv, norm

N_CHANNEL = 4
N_SIDE = 8  # the latent is N_SIDE x N_SIDE


def kl(mean: Float[Tensor, "*n"], log_variance: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """KL divergence of a normal from the standard normal, per value, nats."""
    return (mean**2 + log_variance.exp() - 1 - log_variance) / 2


class SceneVAE(nn.Module):
    """`encode` and `decode`; `moments` and `paint` are what training sees."""

    shift: Float[Tensor, "c"]
    scale: Float[Tensor, "c"]

    def __init__(self, fine: int = 40, coarse: int = 80) -> None:
        """`fine` and `coarse`: channels at 16 x 16 and at 8 x 8."""
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            conv(12, fine),
            ResBlock(fine, fine),
            conv(fine, coarse, stride=2),
            ResBlock(coarse, coarse),
            norm(coarse),
            nn.SiLU(),
            conv(coarse, 2 * N_CHANNEL),
        )
        self.decoder = nn.Sequential(
            conv(N_CHANNEL, coarse),
            ResBlock(coarse, coarse),
            nn.Upsample(scale_factor=2),
            conv(coarse, fine),
            ResBlock(fine, fine),
            ResBlock(fine, fine),
            norm(fine),
            nn.SiLU(),
            conv(fine, 12),
            nn.PixelShuffle(2),
        )
        self.register_buffer("shift", torch.zeros(N_CHANNEL))
        self.register_buffer("scale", torch.ones(N_CHANNEL))

    def moments(self, picture: Float[Tensor, "b 3 y x"]) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        """Mean and log-variance of z."""
        mean, log_variance = self.encoder(picture).chunk(2, 1)
        return mean, log_variance.clamp(-20, 5)

    def paint(self, z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 y x"]:
        """The decoder's picture, not clamped."""
        return self.decoder(z)

    def encode(self, picture: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b c h w"]:
        """Latents: the mean, shifted and scaled."""
        return (self.moments(picture)[0] - self.shift[:, None, None]) / self.scale[:, None, None]

    def decode(self, latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 y x"]:
        """Pictures in [-1, 1]."""
        return self.paint(latent * self.scale[:, None, None] + self.shift[:, None, None]).clamp(-1, 1)


def reconstruction_loss(
    vae: SceneVAE, picture: Float[Tensor, "b 3 y x"], noise: Float[Tensor, "b c h w"], beta: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """What training minimises, mean absolute and squared error plus beta KL, and the mean squared error alone."""
    mean, log_variance = vae.moments(picture)
    painted = vae.paint(mean + (log_variance / 2).exp() * noise)
    square = F.mse_loss(painted, picture)
    return F.l1_loss(painted, picture) + square + beta * kl(mean, log_variance).mean(), square
