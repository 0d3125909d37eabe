"""How quick the pages about vision are: a new picture through each chain, with all that its page shows of it."""

from __future__ import annotations

from collections.abc import Callable

from bench.positions import turns

Report = Callable[[str, float, float | None, str], None]


def measure(rounds: int, report: Report) -> None:
    """All three computations."""
    seeing(rounds, report)
    answering(rounds, report)
    matching(rounds, report)


def seeing(rounds: int, report: Report) -> None:
    """A new scene through the small ViT, with every attention map, the roll-out and the principal components; floor:
    transformers' ViTModel with the same weights and its attentions."""
    import torch

    from models import vit, vit_reference
    from models.scene_notation import write
    from models.scenes import draw, scatter
    from models.vision_transformer import VisionTransformer

    scenes = scatter(torch.Generator().manual_seed(5), rounds + 1, counts=(1,))
    ours = vit.classifier(vit.Config()).body
    assert isinstance(ours, VisionTransformer)
    theirs = vit_reference.vit_model(ours)

    def page(i: int) -> object:
        return vit.trace(vit.Config(scene=write(scenes[i])))

    @torch.no_grad()
    def floor(i: int) -> object:
        return theirs(draw([scenes[i]]), output_attentions=True).attentions

    report("a picture through the small ViT", *turns(rounds, page, floor), "ms")


def answering(rounds: int, report: Report) -> None:
    """A new scene and its question through the chain, with every image token's nearest words, hidden states and
    attention; floor: transformers' LLaVA with the same weights, its logits alone."""
    import torch

    from models import projection, scene_vlm, scene_vlm_reference
    from models.scene_notation import write
    from models.scenes import draw, scatter

    scenes = scatter(torch.Generator().manual_seed(6), rounds + 1, counts=(2,))
    vlm = scene_vlm.load()
    llava = scene_vlm_reference.make_llava(vlm)
    asked, _ = scene_vlm.question_ids("where is the red circle seen from the blue star ?")
    ids = vlm.answer(draw(scenes[:1]), asked).ids[None]

    def page(i: int) -> object:
        return projection.trace(projection.Config(scene=write(scenes[i])))

    @torch.no_grad()
    def floor(i: int) -> object:
        return llava(input_ids=ids, pixel_values=draw([scenes[i]])).logits

    report("a question about a picture", *turns(rounds, page, floor), "ms")


def matching(rounds: int, report: Report) -> None:
    """Five typed classes against a scene, zero-shot; floor: both towers once."""
    import torch

    from models import clip, scene_clip
    from models.clip_uses import split_labels, zero_shot
    from models.scene_notation import write
    from models.scenes import draw, scatter

    scenes = scatter(torch.Generator().manual_seed(7), rounds + 1, counts=(1,))
    towers, (labels, _) = scene_clip.load(), split_labels(clip.LABELS)

    def page(i: int) -> object:
        return zero_shot(write(scenes[i]), clip.LABELS, 0.05)

    @torch.no_grad()
    def floor(i: int) -> object:
        return towers.encode_image(draw([scenes[i]])) @ towers.encode_text(labels).T

    report("typed classes for a picture", *turns(rounds, page, floor), "ms")
