"""Classes and labels."""

from lossary.which.rule import Claim, Rule, Task

SHARES = Claim(
    "minimiser",
    "A constant prediction ends at the share of the class, 0.25 of 1 in 4: it is a probability.",
    shown="sigmoid(best(binary_cross_entropy_with_logits, [1, 0, 0, 0]))",
    value=0.25,
)
WEIGHT_MOVES = Claim(
    "probabilities",
    "A weight of 3 on the rare class moves its 1 of 4 to 0.5: no longer a probability of these data.",
    shown="sigmoid(best(binary_cross_entropy_with_logits, [1, 0, 0, 0], pos_weight=[3.0]))",
    value=0.5,
)
PRIOR_MOVES = Claim(
    "probabilities",
    "The logarithm of the odds, added to the logits in training alone, does the same without larger gradients.",
    shown="sigmoid(least(lambda z: value(binary_cross_entropy_with_logits, [z + log(1 / 3)] * 4, [1.0, 0, 0, 0])))",
    value=0.5,
)
FOCAL_IS_IMPROPER = Claim(
    "probabilities",
    "It is no proper score: with gamma = 2 a share of 3 in 4 ends at 0.601.",
    shown="sigmoid(best(sigmoid_focal_loss, [1, 1, 1, 0], gamma=2, alpha=-1))",
    value=0.6012,
)
SAME_GRADIENT = Claim(
    "gradient",
    "Cross-entropy has the same gradient; what is subtracted is the entropy of the target.",
    identity="cross_entropy_and_kl_gradients_soft",
)
LIKELIHOOD = Claim(
    "noise", "It is the likelihood of classes drawn from the softmax.", identity="cross_entropy_is_nll_of_log_softmax"
)
LIKELIHOOD_OF_SHARES = Claim(
    "noise",
    "It is the likelihood of classes drawn from the softmax, less that of the best there is.",
    identity="cross_entropy_decomposes",
)
YES_OR_NO = Claim("noise", "It is the likelihood of yes and no.", identity="binary_cross_entropy_is_nll_of_two_classes")
TEACHER = Rule(
    ("teacher",),
    "kl_div_with_logits",
    "KL divergence between the softmax of the teacher's logits and of yours, at one temperature; times its square.",
    (
        SAME_GRADIENT,
        Claim(
            "value",
            "0 where the two agree: what is left is what the student has not learnt.",
            shown="value(kl_div_with_logits, [[1.0, 2.0]], [[1.0, 2.0]])",
            value=0.0,
        ),
        Claim(
            "gradient",
            "It falls about as the square of the temperature, hence the factor: at 10 it is 0.01, at 1 0.762.",
            shown="slope(kl_div_with_logits, [1.0, -1.0], [-1.0, 1.0], temperature=10.0)",
            value=0.009967,
        ),
        LIKELIHOOD_OF_SHARES,
    ),
    "Only the teacher's decisions are known: cross_entropy of class indices.",
)
MANY_CLASSES = Rule(
    ("many-classes",),
    "linear_cross_entropy",
    "Cross-entropy of features and the weights of the last layer, which never holds all logits.",
    (
        Claim(
            "value",
            "The same number as cross_entropy of the layer's outputs.",
            identity="linear_cross_entropy_is_cross_entropy_of_linear",
        ),
        LIKELIHOOD,
    ),
    "Logits are needed for something else anyway, or classes are few: cross_entropy is simpler.",
)
CROSS_ENTROPY = (
    Claim("gradient", "Softmax - target: the wronger, the larger, up to 1.", identity="cross_entropy_gradient"),
    Claim(
        "gradient",
        "Squared error of the probability learns nothing where it is most wrong: at a logit of -10 its slope is "
        "-9e-05, that of cross-entropy -1.",
        shown="slope(lambda z, t, **o: mse_loss(sigmoid(z), t, **o), -10.0, 1.0)",
        value=-9.078e-5,
    ),
    LIKELIHOOD,
    SHARES,
)

CLASSIFICATION = Task(
    "classification",
    "one class out of many",
    {
        "teacher": "targets are the logits of another model (distillation)",
        "soft": "targets are probabilities, a distribution for each sample",
        "log-probabilities": "the model ends in log_softmax",
        "many-classes": "so many classes that the logits fill the memory",
        "ordinal": "classes have an order",
        "easy": "nearly all samples are easy, and drown the hard ones",
        "imbalance": "some classes are rare, and probabilities should be right",
        "balanced": "some classes are rare, and every class should count alike (long tail)",
        "noise": "some labels are wrong",
        "margin": "only the decision counts, never a probability",
        "all-rivals": "a margin to every other class, not only to the strongest",
        "accuracy": "the score is accuracy",
    },
    (
        TEACHER,
        Rule(
            ("soft", "log-probabilities"),
            "kl_div",
            "KL divergence of log-probabilities, with reduction='batchmean'.",
            (
                Claim(
                    "value",
                    "Summed over the classes it is the relative entropy.",
                    identity="kl_div_is_relative_entropy",
                ),
                Claim(
                    "value",
                    "Never negative, and 0 only for equal ones.",
                    identity="relative_entropy_is_zero_only_for_equal",
                ),
                SAME_GRADIENT,
                LIKELIHOOD_OF_SHARES,
            ),
            "The model has logits: cross_entropy takes them with the same targets, and has the same gradient.",
        ),
        Rule(
            ("soft",),
            "cross_entropy",
            "Cross-entropy of logits with probabilities as targets.",
            (
                Claim("value", "It is the entropy of the target plus KL.", identity="cross_entropy_decomposes"),
                Claim(
                    "value",
                    "So it does not fall to 0: the entropy of the target is its floor.",
                    identity="cross_entropy_is_at_least_entropy",
                ),
                Claim("gradient", "Softmax - target.", identity="cross_entropy_gradient"),
            ),
            "A value of 0 at a perfect prediction is wanted: kl_div, or kl_div_with_logits if targets are logits.",
        ),
        Rule(
            ("log-probabilities",),
            "nll_loss",
            "Negative log-likelihood of log-probabilities.",
            (
                Claim(
                    "value",
                    "With log_softmax before it, it is cross-entropy.",
                    identity="cross_entropy_is_nll_of_log_softmax",
                ),
                Claim(
                    "value",
                    "Of anything else it is no likelihood: probabilities make it negative.",
                    shown="value(nll_loss, [[0.3, 0.7]], [1])",
                    value=-0.7,
                ),
                LIKELIHOOD,
            ),
            "The model can give logits: cross_entropy, which needs no log_softmax and keeps more digits.",
        ),
        MANY_CLASSES,
        Rule(
            ("ordinal",),
            "binary_cross_entropy_with_logits",
            "Binary cross-entropy of C - 1 questions: is it above class 0, above class 1, ...?",
            (
                Claim(
                    "value",
                    "Cross-entropy does not see the order: sure of the neighbour or of the far end, it costs the same.",
                    shown="value(cross_entropy, [[0.0, 3, 0]], [0]) - value(cross_entropy, [[0.0, 0, 3]], [0])",
                    value=0.0,
                ),
                Claim(
                    "value",
                    "The questions do: one step too far costs 1.55, two steps 3.05.",
                    shown="value(binary_cross_entropy_with_logits, [[3.0, 3.0]], [[0.0, 0.0]])",
                    value=3.0486,
                ),
                SHARES,
            ),
            "Probabilities of single classes are wanted: differences of the answers may come out negative.",
        ),
        Rule(
            ("easy",),
            "focal_loss",
            "Focal loss, gamma = 2: cross-entropy times (1 - p)².",
            (
                Claim(
                    "gradient",
                    "What is right already counts less: at p = 0.9 the loss is a hundredth of cross-entropy.",
                    shown="value(focal_loss, [[log(9), 0.0]], [0]) / value(cross_entropy, [[log(9), 0.0]], [0])",
                    value=0.01,
                ),
                FOCAL_IS_IMPROPER,
                Claim(
                    "value", "With gamma = 0 it is cross-entropy.", identity="focal_loss_of_gamma_zero_is_cross_entropy"
                ),
            ),
            "Probabilities are used: calibrate them afterwards. Classes are merely rare: cross_entropy, and a moved "
            "threshold.",
        ),
        Rule(
            ("balanced",),
            "cross_entropy",
            "Cross-entropy with weight=class_weights(labels), or with the logarithm of the class shares added to the "
            "logits in training.",
            (
                Claim(
                    "gradient",
                    "Weights are n / (C n_c): of labels 0, 0, 0, 1 they are 0.667 and 2.",
                    shown="class_weights([0, 0, 0, 1])[1]",
                    value=2.0,
                ),
                WEIGHT_MOVES,
                PRIOR_MOVES,
                Claim(
                    "gradient",
                    "The scheme effective_number is milder: with beta = 0.9 the rare class weighs 2.71 times as much, "
                    "not 3.",
                    shown="(lambda w: w[1] / w[0])(class_weights([0, 0, 0, 1], 'effective_number', beta=0.9))",
                    value=2.71,
                ),
            ),
            "Probabilities should be those of the data, or a class has so few samples that each weighs too much.",
        ),
        Rule(
            ("imbalance",),
            "cross_entropy",
            "Cross-entropy without weights; move the threshold of the decision instead.",
            (
                SHARES,
                WEIGHT_MOVES,
            ),
            "All classes should count alike whatever their number: class weights, which `lossary which --task "
            "classification --balanced` has.",
        ),
        Rule(
            ("noise",),
            "cross_entropy",
            "Cross-entropy with a little label_smoothing, such as 0.1.",
            (
                Claim(
                    "probabilities",
                    "Evenly wrong labels draw all shares together and leave their order: 7 right of 10 end at 0.7.",
                    shown="sigmoid(best(binary_cross_entropy_with_logits, [1] * 7 + [0] * 3))",
                    value=0.7,
                ),
                Claim(
                    "value",
                    "Without it, a model that is right and sure by 20 pays 20 for one wrong label.",
                    shown="value(cross_entropy, [[20.0, 0.0]], [1])",
                    value=20.0,
                ),
                Claim(
                    "probabilities",
                    "With 0.1 of it the best probability of a class is 0.95 of two, and not 1.",
                    shown="sigmoid(least(lambda z: value(cross_entropy, [[z, 0.0]], [0], label_smoothing=0.1)))",
                    value=0.95,
                ),
                Claim(
                    "value",
                    "It is cross-entropy with the target mixed with the uniform distribution.",
                    identity="label_smoothing_mixes_targets",
                ),
            ),
            "The model is to teach another one, or its probabilities are used: they are drawn towards uniform.",
        ),
        Rule(
            ("margin", "all-rivals"),
            "multi_margin_loss",
            "Multi-class margin loss: the true class must lead each other one.",
            (
                Claim(
                    "value",
                    "It adds up over all rivals, where categorical_hinge_loss takes the strongest.",
                    identity="categorical_hinge_is_at_most_multi_margin",
                ),
                Claim(
                    "gradient",
                    "0 once the lead is 1: what is right by a margin moves nothing.",
                    shown="slope(multi_margin_loss, [2.0, 0.0], 0)",
                    value=0.0,
                ),
            ),
            "Probabilities are wanted: scores of a margin are none; cross_entropy.",
        ),
        Rule(
            ("margin",),
            "categorical_hinge_loss",
            "Categorical hinge loss: the true class must lead its strongest rival.",
            (
                Claim(
                    "value",
                    "Of two classes it is the hinge loss of the difference of the scores.",
                    identity="categorical_hinge_of_two_classes_is_hinge",
                ),
                Claim(
                    "gradient",
                    "0 once the lead is 1, and -1 before, however far behind.",
                    shown="slope(categorical_hinge_loss, [-5.0, 0.0], 0)",
                    value=-1.0,
                ),
            ),
            "Probabilities are wanted: scores of a margin are none; cross_entropy.",
        ),
        Rule(
            ("accuracy",),
            "cross_entropy",
            "Cross-entropy; count accuracy beside it.",
            (
                Claim(
                    "gradient",
                    "Accuracy has no gradient: a score that moves from 0.1 to 0.2 beside 0.3 changes no decision.",
                    shown="float(np.argmax([0.1, 0.3]) == 0) - float(np.argmax([0.2, 0.3]) == 0)",
                    value=0.0,
                ),
                Claim(
                    "gradient",
                    "Cross-entropy has one for the same score.",
                    shown="slope(cross_entropy, [0.1, 0.3], 0)",
                    value=-0.5498,
                ),
                Claim(
                    "value",
                    "It bounds the share of mistakes: a wrong decision costs at least log 2.",
                    shown="value(cross_entropy, [[0.0, 0.0]], [0])",
                    value=0.6931,
                ),
                SHARES,
            ),
            "Only the decision counts and probabilities never will: categorical_hinge_loss is an alternative.",
        ),
        Rule(
            (),
            "cross_entropy",
            "Cross-entropy of logits with class indices.",
            CROSS_ENTROPY,
            "Several labels may be true at once: binary_cross_entropy_with_logits.",
        ),
    ),
)

BINARY = Task(
    "binary",
    "yes or no",
    {
        "two-outputs": "the model has two outputs, one for each class",
        "probabilities": "the model ends in a sigmoid",
        "signs": "labels are -1 and 1",
        "margin": "only the decision counts, never a probability",
        "smooth": "the margin should have no kink",
        "easy": "nearly all samples are easy, and drown the hard ones",
        "imbalance": "one of the classes is rare, and probabilities should be right",
        "balanced": "one of the classes is rare, and both should count alike (recall of the rare one)",
    },
    (
        Rule(
            ("two-outputs",),
            "cross_entropy",
            "Cross-entropy of the two logits; one output with binary_cross_entropy_with_logits is the same model.",
            (
                Claim(
                    "value",
                    "Only the difference of the two logits counts, and of it the two losses are equal.",
                    identity="two_logits_are_one",
                ),
                Claim(
                    "gradient",
                    "The same too, but shared out: each of the two logits gets it, with opposite signs.",
                    shown="slope(cross_entropy, [1.0, 0.0], 0) / slope(binary_cross_entropy_with_logits, 1.0, 1.0)",
                    value=1.0,
                ),
                Claim(
                    "value",
                    "Cross-entropy of a single output is 0 whatever it is, and learns nothing.",
                    shown="value(cross_entropy, [[-5.0]], [0])",
                    value=0.0,
                ),
            ),
            "Nothing else needs the second output: one is enough, with binary_cross_entropy_with_logits.",
        ),
        Rule(
            ("probabilities",),
            "binary_cross_entropy",
            "Binary cross-entropy of probabilities.",
            (
                Claim(
                    "value",
                    "With a sigmoid before it, it is binary_cross_entropy_with_logits.",
                    identity="binary_cross_entropy_of_sigmoid",
                ),
                Claim(
                    "value",
                    "In float32 the sigmoid of 17 is exactly 1: all beyond looks alike.",
                    shown="1 - np.float32(1) / (np.float32(1) + np.exp(np.float32(-17)))",
                    value=0.0,
                ),
                YES_OR_NO,
                SHARES,
            ),
            "The sigmoid can be left out: binary_cross_entropy_with_logits keeps the digits.",
        ),
        Rule(
            ("margin", "smooth"),
            "squared_hinge_loss",
            "Squared hinge loss of labels -1 and 1.",
            (
                Claim("value", "The square of hinge_loss.", identity="squared_hinge_is_hinge_squared"),
                Claim(
                    "gradient",
                    "It falls to 0 as the margin is reached: -0.2 at a score of 0.9.",
                    shown="slope(squared_hinge_loss, 0.9, 1.0)",
                    value=-0.2,
                ),
                Claim(
                    "value",
                    "A score of -10 costs 121, where hinge_loss takes 11: wrong labels weigh much.",
                    shown="value(squared_hinge_loss, -10.0, 1.0)",
                    value=121.0,
                ),
            ),
            "Some labels are wrong: hinge_loss is drawn less by them.",
        ),
        Rule(
            ("margin",),
            "hinge_loss",
            "Hinge loss of labels -1 and 1, as of support vector machines.",
            (
                Claim(
                    "gradient",
                    "-1 within the margin and 0 beyond it.",
                    shown="slope(hinge_loss, -5.0, 1.0)",
                    value=-1.0,
                ),
                Claim(
                    "probabilities",
                    "The best score of 3 yes in 4 is 1, as it is of 99 in 100: no probability can be read from it.",
                    shown="best(hinge_loss, [1, 1, 1, -1])",
                    value=1.0,
                ),
                Claim("value", "It is margin_ranking_loss against 0.", identity="hinge_is_a_ranking_against_zero"),
            ),
            "Probabilities are wanted: binary_cross_entropy_with_logits.",
        ),
        Rule(
            ("signs",),
            "soft_margin_loss",
            "Soft margin (logistic) loss.",
            (
                Claim(
                    "value",
                    "Binary cross-entropy of labels 0 and 1, of the same logit.",
                    shown="value(soft_margin_loss, 0.7, -1.0) - value(binary_cross_entropy_with_logits, 0.7, 0.0)",
                    value=0.0,
                ),
                Claim(
                    "probabilities",
                    "The sigmoid of the best score is the share of yes: 3 in 4.",
                    shown="sigmoid(best(soft_margin_loss, [1, 1, 1, -1]))",
                    value=0.75,
                ),
                YES_OR_NO,
            ),
            "Labels are probabilities, or pos_weight is needed: binary_cross_entropy_with_logits.",
        ),
        Rule(
            ("easy",),
            "sigmoid_focal_loss",
            "Focal loss of logits, gamma = 2; alpha = -1 leaves the classes unweighted.",
            (
                Claim(
                    "gradient",
                    "A yes at p = 0.9 costs a hundredth of binary cross-entropy.",
                    shown="value(sigmoid_focal_loss, log(9), 1.0, alpha=-1) "
                    "/ value(binary_cross_entropy_with_logits, log(9), 1.0)",
                    value=0.01,
                ),
                FOCAL_IS_IMPROPER,
                Claim(
                    "value",
                    "With gamma = 0 it is binary cross-entropy.",
                    identity="sigmoid_focal_loss_of_gamma_zero_is_binary_cross_entropy",
                ),
            ),
            "Probabilities are used: calibrate them afterwards. A class is merely rare: move the threshold.",
        ),
        Rule(
            ("balanced",),
            "binary_cross_entropy_with_logits",
            "Binary cross-entropy with pos_weight: above 1 for recall, below 1 for precision.",
            (
                Claim("value", "pos_weight = n counts each yes n times.", identity="pos_weight_duplicates_positives"),
                WEIGHT_MOVES,
                PRIOR_MOVES,
            ),
            "Probabilities are used: subtract log(pos_weight) from the logit first.",
        ),
        Rule(
            ("imbalance",),
            "binary_cross_entropy_with_logits",
            "Binary cross-entropy without weights; move the threshold of the decision instead.",
            (SHARES, WEIGHT_MOVES),
            "Both classes should count alike: pos_weight, which `lossary which --task binary --balanced` has.",
        ),
        Rule(
            (),
            "binary_cross_entropy_with_logits",
            "Binary cross-entropy of one logit.",
            (
                Claim("gradient", "Sigmoid - target.", identity="binary_cross_entropy_gradient"),
                Claim(
                    "gradient",
                    "It is still -1 at a logit of -60: nothing saturates.",
                    shown="slope(binary_cross_entropy_with_logits, -60.0, 1.0)",
                    value=-1.0,
                ),
                YES_OR_NO,
                SHARES,
            ),
            "More than two classes exclude each other: cross_entropy.",
        ),
    ),
)

MULTILABEL = Task(
    "multilabel",
    "several labels, each a yes or no of its own",
    {
        "few": "few labels of many are true, and easy negatives drown them",
        "rows": "one loss for each row is wanted, with a weight for each label",
        "order": "true labels should only come before the others",
    },
    (
        Rule(
            ("few",),
            "asymmetric_loss",
            "Asymmetric loss: easy negatives count little, and those below the clip nothing.",
            (
                Claim(
                    "value",
                    "Powers and the clip only take away from binary cross-entropy.",
                    identity="asymmetric_loss_is_at_most_binary_cross_entropy",
                ),
                Claim(
                    "gradient",
                    "A negative at a logit of -3, p = 0.047, is left alone.",
                    shown="slope(asymmetric_loss, -3.0, 0.0)",
                    value=0.0,
                ),
                Claim(
                    "probabilities",
                    "It is no proper score: a share of 1 in 4 ends at 0.573.",
                    shown="sigmoid(best(asymmetric_loss, [1, 0, 0, 0]))",
                    value=0.5732,
                ),
            ),
            "Probabilities are used, or labels are not rare: binary_cross_entropy_with_logits.",
        ),
        Rule(
            ("rows",),
            "multilabel_soft_margin_loss",
            "Binary cross-entropy averaged over the labels of a row.",
            (
                Claim(
                    "value",
                    "The mean over the labels of binary_cross_entropy_with_logits.",
                    shown="value(multilabel_soft_margin_loss, [[0.5, -1.0]], [[1.0, 0.0]]) "
                    "- value(binary_cross_entropy_with_logits, [[0.5, -1.0]], [[1.0, 0.0]])",
                    value=0.0,
                ),
                YES_OR_NO,
                SHARES,
            ),
            "Labels are to be weighted one by one, or masked: binary_cross_entropy_with_logits.",
        ),
        Rule(
            ("order",),
            "multilabel_margin_loss",
            "Multi-label margin loss: each true label must lead each other one by 1.",
            (
                Claim(
                    "gradient",
                    "0 once the true label leads by 1.",
                    shown="slope(multilabel_margin_loss, [2.0, 0.0], [0, -1])",
                    value=0.0,
                ),
                Claim(
                    "probabilities",
                    "A number added to all scores changes nothing: no threshold separates yes from no.",
                    shown="value(multilabel_margin_loss, [[5.5, 5.0]], [[0, -1]]) "
                    "- value(multilabel_margin_loss, [[0.5, 0.0]], [[0, -1]])",
                    value=0.0,
                ),
            ),
            "It must be decided how many labels are true: binary_cross_entropy_with_logits.",
        ),
        Rule(
            (),
            "binary_cross_entropy_with_logits",
            "Binary cross-entropy of a logit for each label.",
            (
                Claim(
                    "value",
                    "Shares of a softmax add up to 1: with two true labels cross-entropy stays at log 2 or above.",
                    shown="value(cross_entropy, [[20.0, 20.0, -20.0]], [[0.5, 0.5, 0.0]])",
                    value=0.6931,
                ),
                Claim(
                    "value",
                    "Binary cross-entropy of the same logits is 2e-09.",
                    shown="value(binary_cross_entropy_with_logits, [[20.0, 20.0, -20.0]], [[1.0, 1.0, 0.0]])",
                    value=2.061e-9,
                ),
                Claim("gradient", "Sigmoid - target, for each label.", identity="binary_cross_entropy_gradient"),
                SHARES,
            ),
            "Exactly one label is true: cross_entropy.",
        ),
    ),
)

LANGUAGE_MODEL = Task(
    "language-model",
    "the next token",
    {
        "teacher": "targets are the logits of another model (distillation)",
        "many-classes": "the logits of the vocabulary fill the memory",
    },
    (
        TEACHER,
        MANY_CLASSES,
        Rule(
            (),
            "cross_entropy",
            "Cross-entropy of the next token; padding is ignore_index, normalizer the number of tokens of the step.",
            (
                Claim("gradient", "Softmax - target.", identity="cross_entropy_gradient"),
                Claim(
                    "value",
                    "An untrained model of 50257 tokens stands at log 50257 = 10.82.",
                    shown="value(cross_entropy, [[0.0] * 50257], [0])",
                    value=10.825,
                ),
                Claim(
                    "value",
                    "Ignored tokens are in neither sum nor count.",
                    shown="value(cross_entropy, [[0.0, 0.0], [9.0, 0.0]], [0, -100])",
                    value=0.6931,
                ),
            ),
            "Answers are compared in pairs: dpo_loss.",
        ),
    ),
)
