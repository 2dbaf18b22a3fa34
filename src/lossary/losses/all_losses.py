"""Every loss: adding one adds a line."""

from lossary.losses.binary.asymmetric_loss import asymmetric_loss as asymmetric_loss
from lossary.losses.binary.binary_cross_entropy import binary_cross_entropy as binary_cross_entropy
from lossary.losses.binary.binary_cross_entropy_with_logits import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from lossary.losses.binary.sigmoid_focal_loss import sigmoid_focal_loss as sigmoid_focal_loss
from lossary.losses.classification.cross_entropy import cross_entropy as cross_entropy
from lossary.losses.classification.focal_loss import focal_loss as focal_loss
from lossary.losses.classification.linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from lossary.losses.classification.nll_loss import nll_loss as nll_loss
from lossary.losses.detection.box_iou_loss import box_iou_loss as box_iou_loss
from lossary.losses.detection.complete_box_iou_loss import complete_box_iou_loss as complete_box_iou_loss
from lossary.losses.detection.distance_box_iou_loss import distance_box_iou_loss as distance_box_iou_loss
from lossary.losses.detection.generalized_box_iou_loss import generalized_box_iou_loss as generalized_box_iou_loss
from lossary.losses.divergence.kl_div import kl_div as kl_div
from lossary.losses.divergence.kl_div_with_logits import kl_div_with_logits as kl_div_with_logits
from lossary.losses.embedding.cosine_embedding_loss import cosine_embedding_loss as cosine_embedding_loss
from lossary.losses.embedding.info_nce_loss import info_nce_loss as info_nce_loss
from lossary.losses.embedding.triplet_margin_loss import triplet_margin_loss as triplet_margin_loss
from lossary.losses.embedding.triplet_margin_with_distance_loss import (
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from lossary.losses.likelihood.gaussian_nll_loss import gaussian_nll_loss as gaussian_nll_loss
from lossary.losses.likelihood.poisson_nll_loss import poisson_nll_loss as poisson_nll_loss
from lossary.losses.margin.categorical_hinge_loss import categorical_hinge_loss as categorical_hinge_loss
from lossary.losses.margin.hinge_embedding_loss import hinge_embedding_loss as hinge_embedding_loss
from lossary.losses.margin.hinge_loss import hinge_loss as hinge_loss
from lossary.losses.margin.margin_ranking_loss import margin_ranking_loss as margin_ranking_loss
from lossary.losses.margin.multi_margin_loss import multi_margin_loss as multi_margin_loss
from lossary.losses.margin.multilabel_margin_loss import multilabel_margin_loss as multilabel_margin_loss
from lossary.losses.margin.multilabel_soft_margin_loss import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from lossary.losses.margin.soft_margin_loss import soft_margin_loss as soft_margin_loss
from lossary.losses.margin.squared_hinge_loss import squared_hinge_loss as squared_hinge_loss
from lossary.losses.preference.dpo_loss import dpo_loss as dpo_loss
from lossary.losses.regression.huber_loss import huber_loss as huber_loss
from lossary.losses.regression.l1_loss import l1_loss as l1_loss
from lossary.losses.regression.log_cosh_loss import log_cosh_loss as log_cosh_loss
from lossary.losses.regression.mse_loss import mse_loss as mse_loss
from lossary.losses.regression.quantile_loss import quantile_loss as quantile_loss
from lossary.losses.regression.smooth_l1_loss import smooth_l1_loss as smooth_l1_loss
from lossary.losses.segmentation.dice_loss import dice_loss as dice_loss
from lossary.losses.segmentation.jaccard_loss import jaccard_loss as jaccard_loss
from lossary.losses.segmentation.tversky_loss import tversky_loss as tversky_loss
from lossary.losses.sequence.ctc_loss import ctc_loss as ctc_loss
from lossary.losses.sequence.ctc_loss_with_logits import ctc_loss_with_logits as ctc_loss_with_logits
from lossary.losses.sequence.rnnt_loss import rnnt_loss as rnnt_loss
from lossary.losses.survival.cox_loss import cox_loss as cox_loss
