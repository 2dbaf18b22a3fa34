"""The order of the pages, in both languages: below each page that holds others, these, under a caption or none."""

CONTENTS: dict[str, list[tuple[tuple[str, str], list[str]]]] = {
    "index": [
        (("", ""), ["start", "losses/index", "explorer"]),
        (("Understand", "理解"), ["why/index", "entropy/index", "ctc", "articles/index"]),
        (("Practice", "实践"), ["report", "stuck/index", "cookbook/index", "integrations/index", "migration/index"]),
        (("Look up", "查阅"), ["reference/index", "glossary"]),
    ],
    "why/index": [
        (("", ""), ["why/noise", "why/classes", "why/binary", "why/regression", "why/imbalance", "why/kl"]),
    ],
    "entropy/index": [(("", ""), ["entropy/numpy", "entropy/saturation", "entropy/corrections"])],
    "losses/index": [(("", ""), ["losses/*"])],
    "cookbook/index": [(("", ""), ["cookbook/*"])],
    "integrations/index": [(("", ""), ["integrations/*"])],
    "migration/index": [(("", ""), ["migration/*"])],
    "reference/index": [(("", ""), ["reference/*", "reference/decisions/index"])],
    "reference/decisions/index": [(("", ""), ["reference/decisions/*"])],
}
FOLDERS = {
    "cookbook": (
        ("Cookbook", "实用示例"),
        ("Training code for tasks that come up again and again.", "常见任务的训练代码，拿来就能用。"),
    ),
    "migration": (
        ("From other libraries", "从其他库迁移"),
        (
            "Which loss is called what there, and where the numbers differ.",
            "各库中的损失在这里叫什么名字，哪些地方数值会不同，怎样换算；照着例子改动几行就能换过来。下面按库分开来讲。",
        ),
    ),
    "reference": (
        ("Reference", "参考"),
        (
            "What holds for every loss, how exact and how fast they are, and what was decided.",
            "所有损失共有的约定，精度与速度的实测结果，支持哪些版本，以及当初为何这样设计。",
        ),
    ),
}
"""Folders whose page is a list of the pages in them: its title, and what they are about."""
