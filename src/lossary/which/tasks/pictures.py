"""Masks and boxes."""

from lossary.which.rule import Claim, Rule, Task
from lossary.which.tasks.classes import CROSS_ENTROPY

REPEATED = Claim(
    "gradient",
    "Without smoothing the size of an object drops out: every pixel twice is the same loss.",
    identity="overlap_of_pixels_that_repeat",
)
NO_PROBABILITIES = Claim(
    "probabilities",
    "It is no proper score: where 3 pixels of 4 are true the best constant probability is 1.",
    shown="least(lambda p: value(dice_loss, [[[p] * 4]], [[[1.0, 1, 1, 0]]], activation='none', smooth=0.0), 0, 1)",
    value=1.0,
)
APART = "[0.0, 0, 1, 1], [2.0, 0, 3, 1]"

SEGMENTATION = Task(
    "segmentation",
    "a class for each pixel",
    {
        "small": "objects are small, or the score is Dice (F1)",
        "iou": "the score is intersection over union",
        "misses": "a missed pixel costs more than a false one, or less",
    },
    (
        Rule(
            ("misses",),
            "tversky_loss",
            "Tversky loss: alpha weighs false pixels, beta missed ones.",
            (
                Claim("value", "With both 1/2 it is Dice loss.", identity="dice_is_tversky"),
                Claim(
                    "value",
                    "A smaller alpha makes false pixels cheaper.",
                    identity="tversky_falls_with_its_weights",
                ),
                REPEATED,
            ),
            "Probabilities of pixels are wanted: cross_entropy, and a moved threshold.",
        ),
        Rule(
            ("iou",),
            "jaccard_loss",
            "Jaccard loss: 1 - intersection over union.",
            (
                Claim(
                    "value",
                    "Of hard masks a Dice loss of d is a Jaccard loss of 2d / (1 + d).",
                    identity="jaccard_of_dice",
                ),
                Claim("value", "It lies between Dice loss and twice that.", identity="jaccard_is_at_most_twice_dice"),
                REPEATED,
            ),
            "Probabilities of pixels are wanted: cross_entropy.",
        ),
        Rule(
            ("small",),
            "dice_loss",
            "Dice loss, alone or added to cross_entropy.",
            (
                Claim("value", "Of hard masks it is 1 - F1.", identity="dice_of_decisions_is_one_less_f1"),
                REPEATED,
                NO_PROBABILITIES,
                Claim(
                    "gradient",
                    "A confident mistake has hardly any: -2e-05 at a logit of -10, where cross-entropy has -1.",
                    shown="slope(dice_loss, [[-10.0, 10.0]], [[1.0, 1.0]], activation='sigmoid', smooth=0.0)",
                    value=-2.018e-5,
                ),
            ),
            "Probabilities of pixels are wanted, or images without any object are frequent: cross_entropy.",
        ),
        Rule(
            (),
            "cross_entropy",
            "Cross-entropy of each pixel.",
            CROSS_ENTROPY,
            "Objects are so small that the background decides the mean: dice_loss beside it.",
        ),
    ),
)

BOXES = Task(
    "boxes",
    "boxes",
    {
        "offsets": "the model predicts offsets to anchors, not corners",
        "centres": "boxes often lie in each other, or should meet fast",
        "aspect": "the shape of the box counts too",
        "kind": "the kind should be an option, such as EIoU",
    },
    (
        Rule(
            ("offsets",),
            "smooth_l1_loss",
            "Smooth L1 of the offsets.",
            (
                Claim(
                    "gradient",
                    "Never more than 1: a wild box of the first steps does not blow up.",
                    shown="slope(smooth_l1_loss, 50.0, 0.0)",
                    value=1.0,
                ),
                Claim(
                    "noise",
                    "The noise that it believes in is Gaussian within beta and has exponential tails.",
                    shown="value(smooth_l1_loss, 10.0, 0.0) - value(smooth_l1_loss, 9.0, 0.0)",
                    value=1.0,
                ),
                Claim(
                    "value",
                    "It is huber_loss over delta with delta = beta: at 1 the same.",
                    identity="huber_is_scaled_smooth_l1",
                ),
            ),
            "The score is overlap: it sees each coordinate alone; generalized_box_iou_loss.",
        ),
        Rule(
            ("aspect",),
            "complete_box_iou_loss",
            "CIoU: overlap, centres and aspect ratio.",
            (
                Claim("value", "At least DIoU.", identity="ciou_is_at_least_diou"),
                Claim("value", "DIoU where the aspect ratios agree.", identity="ciou_of_one_aspect_ratio_is_diou"),
            ),
            "Boxes are rotated or may be lines: their aspect ratio says little.",
        ),
        Rule(
            ("centres",),
            "distance_box_iou_loss",
            "DIoU: overlap, and the distance of the centres.",
            (
                Claim(
                    "gradient",
                    "A box inside another has a direction to move in, which GIoU lacks.",
                    shown="value(distance_box_iou_loss, [[0.0, 0, 1, 1]], [[0.0, 0, 4, 4]]) "
                    "- value(generalized_box_iou_loss, [[0.0, 0, 1, 1]], [[0.0, 0, 4, 4]])",
                    value=0.140625,
                ),
                Claim("value", "At least the IoU loss.", identity="diou_is_at_least_iou"),
                Claim(
                    "value", "That of nested boxes by GIoU is their IoU loss.", identity="giou_of_nested_boxes_is_iou"
                ),
            ),
            "Only the overlap should count: box_iou_loss with kind='iou'.",
        ),
        Rule(
            ("kind",),
            "box_iou_loss",
            "One function for IoU, GIoU, DIoU, CIoU and EIoU, by kind.",
            (
                Claim("value", "The losses with names of their own are its kinds.", identity="box_losses_are_kinds"),
                Claim("value", "EIoU is at least DIoU.", identity="eiou_is_at_least_diou"),
            ),
            "Code should run on torchvision too: it has the losses with names of their own.",
        ),
        Rule(
            (),
            "generalized_box_iou_loss",
            "GIoU: overlap, and how much of the hull neither box covers.",
            (
                Claim(
                    "gradient",
                    "The IoU loss of boxes apart is 1 wherever they are: no way to go.",
                    shown=f"slope(box_iou_loss, {APART}, kind='iou')",
                    value=0.0,
                ),
                Claim(
                    "gradient",
                    "GIoU falls as they near: from 1.33 to 1.2 for half a side.",
                    shown="value(generalized_box_iou_loss, [[0.5, 0, 1.5, 1]], [[2.0, 0, 3, 1]])",
                    value=1.2,
                ),
                Claim("value", "At least the IoU loss.", identity="giou_is_at_least_iou"),
            ),
            "Boxes lie in each other: it is then the IoU loss; distance_box_iou_loss.",
        ),
    ),
)
