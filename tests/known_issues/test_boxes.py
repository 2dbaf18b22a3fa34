"""Boxes, as reported: of no size, flat, with their ends in the wrong order, and what an epsilon makes of small ones."""

import pytest
import torch

from lossary import functional as F
from lossary.testing import LIBRARIES

gradient = LIBRARIES["torch"].gradient


def test_vision_7746_identical_boxes_of_no_size():
    """The loss of [0, 0, 0, 0] and itself is 1. https://github.com/pytorch/vision/issues/7746

    Also roboflow/rf-detr#1180.
    """
    for box in ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1e-5, 1e-5]):
        x = torch.tensor([box])
        assert F.generalized_box_iou_loss(x, x).item() == 0
        assert not gradient(lambda x, y=x: F.generalized_box_iou_loss(x, y, reduction="sum"), x).any()


def test_vision_6974_lines_are_boxes():
    """x1 == x2 is refused, or NaN. https://github.com/pytorch/vision/issues/6974"""
    line, box = torch.tensor([1.0, 0.0, 1.0, 2.0]), torch.tensor([0.0, 0.0, 2.0, 2.0])
    assert F.box_iou_loss(line, box, kind="iou").item() == 1
    assert F.generalized_box_iou_loss(line, box).item() == 1


def test_vision_2582_ends_in_the_wrong_order():
    """The IoU of such a box is a number. https://github.com/pytorch/vision/issues/2582"""
    wrong, right = torch.tensor([[55.0, 60.0, 45.0, 50.0]]), torch.tensor([[45.0, 50.0, 55.0, 60.0]])
    with pytest.raises(ValueError, match=r"input holds 45 at \[0, 2\] and 1 more; .*x1 <= x2"):
        F.generalized_box_iou_loss(wrong, right)


def test_diou_19_gradients_of_flat_boxes():
    """NaN, where y1 is y2. https://github.com/Zzh-tju/DIoU-pytorch-detectron/issues/19

    Also Zzh-tju/DIoU-pytorch-detectron#3, Megvii-BaseDetection/YOLOX#1565.
    """
    target = torch.tensor([200.0, 500.0, 300.0, 600.0])
    for box in ([200.0, 599.0, 300.0, 599.0], [200.0, 599.0, 200.0, 599.0], [400.0, 599.0, 500.0, 599.0]):
        slopes = gradient(lambda x: F.complete_box_iou_loss(x, target, reduction="sum"), torch.tensor(box))
        assert slopes.isfinite().all()
        assert slopes.any()
