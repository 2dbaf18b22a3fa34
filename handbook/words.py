"""The Chinese of what the generated pages say by themselves; texts of losses and rules have theirs in the package."""

from collections.abc import Callable

FAMILIES = {
    "information": "信息论",
    "classification": "多分类",
    "binary": "二分类与多标签",
    "regression": "回归",
    "likelihood": "似然",
    "divergence": "散度",
    "embedding": "嵌入与对比学习",
    "margin": "间隔",
    "sequence": "序列",
    "survival": "生存分析",
    "segmentation": "分割",
    "detection": "检测框",
    "preference": "偏好优化",
}
PROPERTIES = {
    "convex": "凸",
    "nonnegative": "非负",
    "zero_at_target": "在目标处为 0",
    "symmetric": "对称",
    "shift_invariant": "平移不变（logits）",
    "translation_invariant": "平移不变（点）",
    "scale_invariant": "缩放不变",
    "permutation_invariant": "与样本顺序无关",
    "class_symmetric": "类别地位对等",
    "bounded": "有界",
    "proper": "严格的评分规则",
    "rows_coupled": "样本之间相互影响",
}
REFERENCE = {
    "Accuracy": "精度",
    "Benchmarks": "基准测试",
    "Conventions": "约定",
    "Differs from torch": "与 torch 的差异",
    "Known issues of loss functions": "损失函数的已知问题",
    "Files that `lossary report` reads": "`lossary report` 能读的文件",
    "How far the report is right": "报告有多准",
    "Versions": "版本",
    "0001 Cross-entropy with class indices is a softplus": "0001 类别下标的交叉熵写成 softplus",
    "0002 Where values cannot be read, a class out of range is NaN": "0002 读不到数值时，越界的类别给出 NaN",
    "0003 A signature declares options that its body does not read": "0003 签名声明了函数体并不读取的选项",
    "0004 `patch_torch` lends torch's functions another body": "0004 `patch_torch` 借给 torch 的函数另一个函数体",
    "0005 A call is written down before it runs, and one like it skips the check": "0005 调用先记下再执行，"
    "同样的调用不再检查",
    "0006 The memory of large gradients is kept": "0006 大梯度的内存留着再用",
    "0007 What the kernels leave out: digits that storage drops, infinities that are not there, lines that nobody "
    "keeps": "0007 内核省去了什么：存不下的位数、并不存在的无穷、没人留用的缓存行",
    "0008 CTC computes in numbers of their own exponent": "0008 CTC 用自带指数的数来计算",
    "0009 Who reduces what": "0009 归约由谁来做",
    "0010 One loss of each kind": "0010 每一类各做一个损失",
    "0011 Kernels for CUDA are written in Triton": "0011 CUDA 上的内核一律用 Triton 编写",
}
"""The titles of pages that are in English alone."""
SEVERITIES = {"error": "错误", "warning": "警告", "note": "提示"}
AXES = {
    "logit of the true class, the other being 0": "真实类别的 logit（另一类为 0）",
    "log p of the true class": "真实类别的 log p",
    "logit of a negative": "负样本的 logit",
    "logit of a positive": "正样本的 logit",
    "log rate": "速率的对数",
    "logit of one of two classes, the target's being equal": "两个类别之一的 logit（目标的两个 logit 相等）",
    "angle": "夹角",
    "cosine with the positive, beside 7 negatives at cosine 0": "与正样本的余弦（另有 7 个余弦为 0 的负样本）",
    "anchor between a positive at 1 and a negative at 4": "锚点的位置（正样本在 1，负样本在 4）",
    "lead of the true class": "真实类别领先的分数",
    "lead of the true label": "真实标签领先的分数",
    "distance": "距离",
    "score": "分数",
    "logit of one label": "一个标签的 logit",
    "logit of one pixel; the class is absent": "一个像素的 logit（该类别不存在）",
    "probability of a true pixel": "真实像素的概率",
    "probability of a false pixel": "非目标像素的概率",
    "offset of a unit box": "单位框的偏移",
    "chosen - reference, the rejected as the reference": "chosen - reference（rejected 与参考模型相同）",
    "the feature, which is the logit of the true class, the other being 0": "特征，即真实类别的 logit（另一类为 0）",
    "logit of the label in every frame, that of the blank being 0": "每一帧里标签的 logit（空白符为 0）",
    "log-risk of the one with the event, that of two others being 0": "发生事件者的对数风险（另外两名在险者为 0）",
    "loss": "损失",
    "gradient": "梯度",
    "loss (its steepest parts cut off)": "损失（最陡的部分已截去）",
    "gradient (its steepest parts cut off)": "梯度（最陡的部分已截去）",
}
Say = Callable[[str, str], str]


def speaker(language: str) -> Say:
    """What picks the English or the Chinese of a text."""

    def say(english: str, chinese: str) -> str:
        return chinese if language == "zh" else english

    return say
