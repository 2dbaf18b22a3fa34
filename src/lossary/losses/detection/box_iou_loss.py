from typing import Annotated, Literal

from lossary.core import boxes as of_boxes
from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Choice, Flag, boxes
from lossary.core.record import Elsewhere, Example, Expect, Held, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Boxes


@loss(
    family="detection",
    title="Loss of the overlap of boxes: IoU and its kin, by name",
    formula=r"\ell_i = 1 - \frac{I}{U} + \begin{cases} 0 & \text{iou} \\ \frac{C - U}{C} & \text{giou} \\ "
    r"\frac{\rho^2}{W^2 + H^2} & \text{diou} \\ \frac{\rho^2}{W^2 + H^2} + \alpha v & \text{ciou} \\ "
    r"\frac{\rho^2}{W^2 + H^2} + \left(\frac{w - w'}{W}\right)^2 + \left(\frac{h - h'}{H}\right)^2 & \text{eiou} "
    r"\end{cases}",
    symbols=of_boxes.symbols(r"I U C W H \rho w h w' h' \alpha v r r' q a d c g k s"),
    gradient=r"\frac{\partial \ell_i}{\partial r} = \frac{I h - (U + I) a}{U^2} + \begin{cases} 0 & \text{iou} \\ c & "
    r"\text{giou} \\ g & \text{diou} \\ g + k & \text{ciou} \\ g + s & \text{eiou} \end{cases} \qquad a = q [r < r'] "
    r"\qquad c = \frac{U H [r > r'] - C (h - a)}{C^2} \qquad g = \frac{d}{W^2 + H^2} - \frac{2 \rho^2 W [r > "
    r"r']}{(W^2 + H^2)^2} \qquad k = \frac{8 \alpha h}{\pi^2 (w^2 + h^2)} \left(\arctan \frac{w}{h} - \arctan "
    r"\frac{w'}{h'}\right) \qquad s = \frac{2 (w - w')}{W^2} - \frac{2 (w - w')^2 [r > r']}{W^3}",
    derivation=r"Let the right edge move out by $\mathrm{d}r$: the box grows by $h \, \mathrm{d}r$, what both share "
    r"by $a \, \mathrm{d}r$, where the edge lies inside the target, and the union by the rest. Where boxes lie apart, "
    "$I = a = 0$, and the first term with them: only what the kind adds can bring them together. 'ciou' is stated "
    r"with $\alpha$ held. The other edges alike, left and top with the sign turned. The derivative by a centre is the "
    "sum of those by both edges, that by a side half their difference.",
    unreduced="*n",
    held=(Held("α", "the weight v / (1 - IoU + v) of the aspect ratios", "kind='ciou' and held_alpha=True"),),
    sources=(
        Source(
            "Yu, Jiang, Wang, Cao, Huang, UnitBox: An Advanced Object Detection Network, 2016",
            url="arxiv.org/abs/1608.01471",
        ),
        Source(
            "Rezatofighi, Tsoi, Gwak, Sadeghian, Reid, Savarese, Generalized Intersection over Union, 2019",
            url="arxiv.org/abs/1902.09630",
        ),
        Source(
            "Zheng, Wang, Liu, Li, Ye, Ren, Distance-IoU Loss, 2020",
            url="arxiv.org/abs/1911.08287",
        ),
        Source(
            "Zhang, Ren, Zhang, Jia, Wang, Tan, Focal and Efficient IOU Loss for Bounding Box Regression, 2022",
            url="arxiv.org/abs/2101.08158",
        ),
    ),
    properties=(
        "nonnegative",
        "zero_at_target",
        "symmetric",
        "translation_invariant",
        "scale_invariant",
        "permutation_invariant",
        "bounded",
    ),
    bounds=(0, 4),
    elsewhere=(
        Elsewhere("torchvision", "torchvision.ops.generalized_box_iou_loss", "kind='giou'; adds 1e-7 to each area"),
        Elsewhere("ultralytics", "ultralytics.utils.metrics.bbox_iou", "1 - it, with GIoU, DIoU or CIoU=True"),
        Elsewhere("mmdetection", "mmdet.models.losses.IoULoss", "kind='iou' with mode='linear'; by default -log IoU"),
        Elsewhere("lossary", "generalized_box_iou_loss", "with kind='giou'"),
        Elsewhere("lossary", "distance_box_iou_loss", "with kind='diou'"),
        Elsewhere("lossary", "complete_box_iou_loss", "with kind='ciou'"),
    ),
    examples=(
        Example(
            {"input": [0.0, 0.0, 2.0, 2.0], "target": [1.0, 1.0, 3.0, 3.0], "kind": "iou"},
            0.8571428571428571,
            "1 - 1/7",
        ),
        Example(
            {"input": [0.0, 0.0, 2.0, 2.0], "target": [4.0, 4.0, 6.0, 6.0]},
            1.7777777777777777,
            "boxes apart: 1 + (36 - 8) / 36",
        ),
        Example(
            {"input": [2.0, 0.5, 4.0, 1.0], "target": [1.0, 1.0, 2.0, 2.0], "kind": "eiou", "format": "cxcywh"},
            1.2291666666666667,
            "(0, 0, 4, 1) and (0, 0, 2, 2): 1 - 2/6 + (1² + ½²) / (4² + 2²) + (2/4)² + (1/2)²",
        ),
    ),
    use_when=(
        "The kind is still to be chosen: five losses behind one word, which a configuration can hold.",
        "Each prediction has its target already, by anchors or by matching, and what counts is how well they cover "
        "each other.",
        "CIoU is wanted with its whole derivative: held_alpha=False, which complete_box_iou_loss does not have.",
    ),
    not_when=(
        "Masks are compared, not boxes: jaccard_loss or dice_loss.",
        "The numbers are no corners of boxes but points, such as key points: l1_loss or smooth_l1_loss.",
        "Boxes may lie apart: not kind='iou', whose gradient is 0 there, but any other kind.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0, 1.0, 1.0], "target": [0.4, 0.4, 0.6, 0.6]},
            0.96,
            "the whole image predicted, an object of 4% of it: 1 - 0.04; the hull is the image",
        ),
        "0, where each predicted box is its target.",
    ),
    minimiser=Minimiser(
        "none: the one box that is best for many targets has no formula. It is what an anchor should be; of targets "
        "that are all one box, that box."
    ),
    aliases=(
        "BoxIoULoss",
        "IoULoss",
        "iou_loss",
        "bbox_iou",
        "EIoU",
        "EIoULoss",
        "IoU 损失",
        "交并比损失",
        "边界框损失",
    ),
    pitfalls=(
        "kind='iou' has no gradient where boxes do not overlap: at the start of training that is most of them.",
        "The format is not in the numbers: corners that are passed with format='cxcywh' are boxes of another place and "
        "size. With 'xyxy', centres and sides are mostly no boxes, and raise.",
        "Boxes in pixels against boxes in [0, 1] overlap nowhere: the loss is about as large as it can be, and raises "
        "nothing.",
        "The gradient of v falls with 1 / (w² + h²): it is large for boxes in [0, 1]. The paper of CIoU drops that "
        "factor, which makes it no gradient of the loss; here it stays.",
    ),
    plot=Plot(
        -3.0,
        3.0,
        {"target": [[0.0, 0.0, 1.0, 1.0]]},
        {"kind": ("iou", "giou", "diou", "ciou", "eiou")},
        axis="offset of a unit box",
        embed=of_boxes.slid,
    ),
    domains=of_boxes.domains,
    kernel=Boxes(),
)
def box_iou_loss(
    input: Annotated[A, boxes("*n 4")],
    target: Annotated[Array, boxes("*n 4", broadcasts=True)],
    reduction: Reduction = "mean",
    *,
    kind: Annotated[Literal["iou", "giou", "diou", "ciou", "eiou"], Choice()] = "giou",
    format: Annotated[Literal["xyxy", "xywh", "cxcywh"], Choice(voids_properties=("translation_invariant",))] = "xyxy",
    held_alpha: Annotated[bool, Flag()] = True,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """One less the overlap of a predicted and a true box, and a penalty by which boxes that lie apart find together.

    Use it to regress boxes: unlike errors of coordinates it is the measure that detectors are judged by, and weighs
    small and large objects alike. 'giou' is the safe choice; 'diou' and 'ciou' converge faster where boxes start apart.

    Parameters
    ----------
    input : floating array (..., 4)
        Predicted boxes.
    target : array that broadcasts to the shape of `input`
        True boxes, one for each predicted one.
    kind : "iou", "giou", "diou", "ciou" or "eiou"
        What is added to 1 - IoU: nothing; the share of the hull of both boxes that neither covers; the squared distance
        of the centres over that of the hull's corners; that and how much the aspect ratios differ, v = 4/π² (arctan
        w/h - arctan w'/h')², times α; or the distance and the squared differences of the sides over the hull's.
    format : "xyxy", "xywh" or "cxcywh"
        What the four numbers are: (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2; the corner (x1, y1) and the sides; or
        the centre and the sides. Of both arguments alike, in any unit that both share.
    held_alpha : bool
        Whether α = v / (1 - IoU + v) of 'ciou' is a constant in derivatives, as in the paper.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each box, the denominator of the mean, and the implementation
        (docs/conventions.md).

    Edge cases
    ----------
    No number is added to an area. Of two boxes of area 0 the IoU is 1 where they are one and the same, and else 0, and
    so is the share that they cover of a hull without area; the distance of two boxes that are one point is 0. A point
    has every aspect ratio: v is 0, and its gradient too. Where two boxes have an end in common, they share the
    derivative of the smaller and of the larger in halves, so that the gradient of a perfect match is exactly 0. An
    empty mean is 0.

    Differs from torch
    ------------------
    torch has no losses of boxes. From those of other libraries it differs so:

    - identical boxes of side 1e-5 in fp32: 0; torchvision: 0.999, with eps=1e-7
    - identical points: 0; torchvision: 1 (pytorch/vision#7746)
    - CIoU of a box without height: a finite gradient; torchvision: NaN (Zzh-tju/DIoU-pytorch-detectron#19)
    - a box with x2 < x1: `ValueError` on the CPU; torchvision: a number (pytorch/vision#2582)

    Raises
    ------
    ValueError, TypeError
        Where a box has its ends in the wrong order or a negative side (on the CPU; NaN where values cannot be read), or
        shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
    >>> box_iou_loss(x, np.array([0.0, 0.0, 2.0, 1.0]), kind="iou", reduction="none").tolist()
    [0.5, 0.5]
    """
    return of_boxes.box_loss(input, target, kind, format, held_alpha)
