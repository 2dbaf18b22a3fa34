"""What lies near what, what is better than what, and sequences without an alignment."""

from lossary.which.rule import Claim, Rule, Task

INFO_NCE = (
    Claim(
        "noise",
        "It is cross-entropy of similarities, each candidate a class.",
        identity="info_nce_is_cross_entropy_of_similarities",
    ),
    Claim(
        "value",
        "Of a guess among M candidates it is log M: where an untrained model stands.",
        identity="info_nce_tends_to_log_m",
    ),
    Claim(
        "value",
        "The temperature sets how low it can fall: log(1 + (M - 1) exp(-2 / T)).",
        identity="info_nce_has_a_floor",
    ),
)
COLLAPSED = Claim(
    "value",
    "Stuck at the margin, 1, means that all embeddings are the same.",
    shown="value(triplet_margin_loss, [[3.0, 4.0]], [[3.0, 4.0]], [[3.0, 4.0]])",
    value=1.0,
)

EMBEDDING = Task(
    "embedding",
    "embeddings, for retrieval or similarity",
    {
        "two-encoders": "two encoders, as of images and texts (CLIP)",
        "pairs": "pairs with a label: similar or not",
        "distances": "the model gives the distance of a pair",
        "triplets": "triplets: anchor, positive, negative",
        "own-distance": "with a distance of your own",
    },
    (
        Rule(
            ("two-encoders",),
            "info_nce_loss",
            "InfoNCE with symmetric=True.",
            (
                Claim(
                    "value",
                    "The mean of both directions.",
                    identity="symmetric_info_nce_is_the_mean_of_both_directions",
                ),
                *INFO_NCE,
            ),
            "Batches are small: with few rivals it is soon near 0.",
        ),
        Rule(
            ("pairs", "distances"),
            "hinge_embedding_loss",
            "Hinge embedding loss of the distance.",
            (
                Claim(
                    "gradient",
                    "Similar pairs are drawn together by 1 whatever the distance.",
                    shown="slope(hinge_embedding_loss, 5.0, 1.0)",
                    value=1.0,
                ),
                Claim(
                    "gradient",
                    "Others are pushed apart up to the margin, 1, and then left alone.",
                    shown="slope(hinge_embedding_loss, 1.5, -1.0)",
                    value=0.0,
                ),
            ),
            "Whole batches of positives are at hand: info_nce_loss uses all rivals.",
        ),
        Rule(
            ("pairs",),
            "cosine_embedding_loss",
            "Cosine embedding loss.",
            (
                Claim("value", "Only the angle counts, never the length.", identity="cosine_ignores_length"),
                Claim(
                    "value",
                    "Unlike pairs cost nothing from a right angle on, with a margin of 0.",
                    shown="value(cosine_embedding_loss, [[1.0, 0.0]], [[0.0, 1.0]], [-1.0])",
                    value=0.0,
                ),
            ),
            "Whole batches of positives are at hand: info_nce_loss uses all rivals.",
        ),
        Rule(
            ("triplets", "own-distance"),
            "triplet_margin_with_distance_loss",
            "Triplet margin loss of a distance of your own.",
            (
                Claim(
                    "value",
                    "With the Euclidean distance, its default, it is triplet_margin_loss with eps = 0.",
                    shown="value(triplet_margin_with_distance_loss, [[0.0]], [[1.0]], [[1.5]]) "
                    "- value(triplet_margin_loss, [[0.0]], [[1.0]], [[1.5]], eps=0.0)",
                    value=0.0,
                ),
                COLLAPSED,
            ),
            "The distance has a name in triplet_margin_loss: p = 1, 2, ... need no function.",
        ),
        Rule(
            ("triplets",),
            "triplet_margin_loss",
            "Triplet margin loss; choose negatives that are hard, yet farther than the positive.",
            (
                COLLAPSED,
                Claim(
                    "gradient",
                    "0 once the negative is farther by the margin: random triplets soon teach nothing.",
                    shown="slope(triplet_margin_loss, [0.0], [0.5], [9.0])",
                    value=0.0,
                ),
            ),
            "Whole batches of positives are at hand: info_nce_loss uses all rivals.",
        ),
        Rule(
            (),
            "info_nce_loss",
            "InfoNCE (NT-Xent): the positive against all other candidates of the batch.",
            (
                *INFO_NCE,
                Claim(
                    "value",
                    "More candidates make it larger: compare at one batch size.",
                    identity="more_candidates_cost_more",
                ),
            ),
            "Candidates of the batch are often right answers too: give labels, or use pairs.",
        ),
    ),
)

RANKING = Task(
    "ranking",
    "an order of items",
    {
        "probabilities": "the probability that one item is better is wanted",
        "lists": "one item of a list is the right one",
    },
    (
        Rule(
            ("lists",),
            "cross_entropy",
            "Cross-entropy over the scores of the list.",
            (
                Claim(
                    "gradient",
                    "Softmax - target: the strongest rivals are pushed most.",
                    identity="cross_entropy_gradient",
                ),
                Claim(
                    "value",
                    "Only differences of scores count.",
                    shown="value(cross_entropy, [[6.0, 5.0]], [0]) - value(cross_entropy, [[1.0, 0.0]], [0])",
                    value=0.0,
                ),
            ),
            "Lists have several right items: binary_cross_entropy_with_logits, or pairs.",
        ),
        Rule(
            ("probabilities",),
            "soft_margin_loss",
            "Soft margin loss of the difference of the two scores (Bradley-Terry, RankNet).",
            (
                Claim(
                    "probabilities",
                    "The sigmoid of the best difference is the share of wins: 3 in 4.",
                    shown="sigmoid(best(soft_margin_loss, [1, 1, 1, -1]))",
                    value=0.75,
                ),
                Claim(
                    "gradient",
                    "Never quite 0: a lead of 2 still grows.",
                    shown="slope(soft_margin_loss, 2.0, 1.0)",
                    value=-0.1192,
                ),
            ),
            "Only the order counts: margin_ranking_loss leaves alone what is right by a margin.",
        ),
        Rule(
            (),
            "margin_ranking_loss",
            "Margin ranking loss of two scores.",
            (
                Claim(
                    "gradient",
                    "-1 while the better score does not lead by the margin, and then 0.",
                    shown="slope(margin_ranking_loss, -5.0, 0.0, 1.0, margin=1.0)",
                    value=-1.0,
                ),
                Claim(
                    "value",
                    "With the default margin of 0 equal scores cost nothing: one number for all is perfect.",
                    shown="value(margin_ranking_loss, 3.0, 3.0, 1.0)",
                    value=0.0,
                ),
            ),
            "Probabilities are wanted: soft_margin_loss of the difference.",
        ),
    ),
)

PREFERENCE = Task(
    "preference",
    "which of two answers of a language model is preferred",
    {
        "noise": "some of the preferences are wrong",
        "reward-model": "a model of the reward is trained, not the one that answers",
    },
    (
        Rule(
            ("reward-model",),
            "soft_margin_loss",
            "Soft margin loss of the difference of the two rewards (Bradley-Terry).",
            (
                Claim(
                    "probabilities",
                    "The sigmoid of the best difference is the share of preferences: 3 in 4.",
                    shown="sigmoid(best(soft_margin_loss, [1, 1, 1, -1]))",
                    value=0.75,
                ),
                Claim(
                    "value", "DPO is the same, with log-ratios for rewards.", identity="dpo_is_soft_margin_of_the_lead"
                ),
            ),
            "The answering model can be trained at once: dpo_loss needs no reward.",
        ),
        Rule(
            ("noise",),
            "dpo_loss",
            "DPO with kind='robust' and label_smoothing = the share of wrong preferences.",
            (
                Claim(
                    "value", "Over wrong labels its mean is DPO of the right ones.", identity="robust_dpo_is_unbiased"
                ),
                Claim("value", "Without label_smoothing it is DPO.", identity="robust_dpo_without_noise_is_dpo"),
            ),
            "The share of wrong labels is unknown: kind='ipo' stops at a lead of 1 / (2 beta).",
        ),
        Rule(
            (),
            "dpo_loss",
            "DPO of summed log-probabilities of both answers, under the model and the reference.",
            (
                Claim(
                    "noise",
                    "Preferences by Bradley and Terry: a soft margin of the lead.",
                    identity="dpo_is_soft_margin_of_the_lead",
                ),
                Claim(
                    "gradient",
                    "beta · sigmoid of minus the lead: it fades as the chosen answer leads.",
                    identity="dpo_gradient",
                ),
                Claim(
                    "value",
                    "It starts at log 2: model and reference are then the same.",
                    shown="value(dpo_loss, -10.0, -12.0, -10.0, -12.0)",
                    value=0.6931,
                ),
            ),
            "No pairs are at hand but single answers that are right: cross_entropy.",
        ),
    ),
)

SEQUENCE = Task(
    "sequence",
    "a sequence of labels shorter than its input, as in speech",
    {
        "aligned": "each frame has a label of its own",
        "log-probabilities": "the model ends in log_softmax",
        "transducer": "the model is a transducer: it answers frame by frame and reads what it has said",
    },
    (
        Rule(
            ("aligned",),
            "cross_entropy",
            "Cross-entropy of each frame.",
            (
                Claim("value", "CTC of one frame and one label is the same.", identity="ctc_of_one_frame_is_nll"),
                Claim("gradient", "Softmax - target.", identity="cross_entropy_gradient"),
            ),
            "The alignment is a guess: ctc_loss_with_logits sums over all.",
        ),
        Rule(
            ("transducer",),
            "rnnt_loss",
            "Transducer loss (RNN-T).",
            (
                Claim(
                    "value",
                    "Without labels it is cross-entropy of a blank in each frame.",
                    identity="rnnt_of_no_labels_is_cross_entropy_of_blanks",
                ),
                Claim(
                    "noise",
                    "It sums over all paths: U labels among T - 1 + U steps.",
                    identity="rnnt_counts_paths",
                ),
            ),
            "Memory is short: it takes logits for each frame and each label; ctc_loss_with_logits for frames alone.",
        ),
        Rule(
            ("log-probabilities",),
            "ctc_loss",
            "CTC of log-probabilities.",
            (
                Claim("noise", "It sums the probability of all alignments.", identity="ctc_sums_over_alignments"),
                Claim(
                    "value",
                    "With log_softmax before it, it is ctc_loss_with_logits.",
                    identity="ctc_of_logits_is_ctc_of_log_softmax",
                ),
            ),
            "The model can give logits: ctc_loss_with_logits does the softmax itself.",
        ),
        Rule(
            (),
            "ctc_loss_with_logits",
            "CTC of logits.",
            (
                Claim("noise", "It sums the probability of all alignments.", identity="ctc_sums_over_alignments"),
                Claim(
                    "value",
                    "It is ctc_loss of log_softmax.",
                    identity="ctc_of_logits_is_ctc_of_log_softmax",
                ),
            ),
            "There are more labels than frames, or labels depend on each other: no alignment, or rnnt_loss.",
        ),
    ),
)
