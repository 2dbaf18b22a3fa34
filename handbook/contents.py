"""The order of the pages, in both languages: below each page that holds others, these, under a caption or none."""

CONTENTS: dict[str, list[tuple[tuple[str, str], list[str]]]] = {
    "index": [
        (("", ""), ["start", "losses/index", "explorer"]),
        (("Understand", "理解"), ["why/index", "entropy/index", "ctc", "articles/index"]),
        (("Practice", "实践"), ["stuck/index", "cookbook/index", "integrations/index", "migration/index"]),
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
    "cookbook": ("Cookbook", "实用示例"),
    "migration": ("From other libraries", "从其他库迁移"),
    "reference": ("Reference", "参考"),
}
"""Folders whose page is a list of the pages in them."""
