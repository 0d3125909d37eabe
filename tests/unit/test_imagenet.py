"""The table's numbers are consistent, its parameters are those of transformers' classes."""

from __future__ import annotations

import pytest

from models.imagenet import MAE_SCRATCH, MAE_TUNED, PARAMETERS, ROWS, count, resnet_152, rows, vit_b


@pytest.mark.parametrize("model", PARAMETERS)
def test_parameters_are_counted(model: str) -> None:
    assert count(model) == PARAMETERS[model]


def test_published_counts() -> None:
    """torchvision's table: num_params of resnet152 and vit_b_16; Swin-L is said to have 197 M."""
    assert PARAMETERS["ResNet-152"] == 60_192_808 and PARAMETERS["ViT-B/16"] == 86_567_656
    assert round(PARAMETERS["Swin-L"] / 1e6) == 197


def test_corrected_rows() -> None:
    assert ROWS["l-jft"].top1 == 87.76 and ROWS["l-jft"].told == 88.5 and ROWS["h-jft"].top1 == 88.55
    assert ROWS["b-21k-paper"].top1 < ROWS["b-21k-paper"].told < ROWS["b-21k-again"].top1
    assert ROWS["b-torchvision"].top1 > ROWS["resnet"].top1 and ROWS["resnet-new"].top1 > ROWS["b-torchvision"].top1
    assert sum(row.told > 0 for row in ROWS.values()) == 5, "every row of the widespread table"
    gains = [after - before for before, after in zip(MAE_SCRATCH, MAE_TUNED, strict=True)]
    assert gains == pytest.approx([1.3, 3.3, 3.8])
    for key, tuned in zip(("b-mae", "l-mae", "h-mae"), MAE_TUNED, strict=True):
        assert ROWS[key].top1 == pytest.approx(tuned, abs=0.1)


def test_orders() -> None:
    assert [row.top1 for row, _ in rows("accuracy")] == sorted((row.top1 for row in ROWS.values()), reverse=True)
    assert [n for _, n in rows("parameters")] == sorted((n for _, n in rows("parameters")), reverse=True)
    assert rows("data")[0][0].data == "JFT-300M" and len(rows("data")) == len(ROWS)


def test_parts_add_up() -> None:
    assert sum(part.n_parameter for part in resnet_152()) == PARAMETERS["ResNet-152"]
    assert sum(part.n_parameter for part in vit_b()) == PARAMETERS["ViT-B/16"]
    assert [part.repeated for part in resnet_152()] == [1, 3, 8, 36, 3, 1]
    assert resnet_152()[4].shape == (2048, 7, 7) and vit_b()[0].n_parameter == 590_592
