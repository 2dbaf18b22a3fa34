"""The order of the pages, in both languages: below each page that holds others, these, under a caption or none."""

CONTENTS: dict[str, list[tuple[tuple[str, str], list[str]]]] = {
    "index": [
        (("", ""), ["start", "losses/index", "explorer"]),
        (("Understand", "理解"), ["why/index", "entropy/index", "ctc", "articles/index"]),
        (("Practice", "实践"), ["stuck/index", "cookbook/*", "integrations/index"]),
        (("Migration", "迁移"), ["migration/*"]),
        (("Reference", "参考"), ["reference/*", "reference/decisions/index", "glossary"]),
    ],
    "why/index": [
        (("", ""), ["why/noise", "why/classes", "why/binary", "why/regression", "why/imbalance", "why/kl"]),
    ],
    "entropy/index": [(("", ""), ["entropy/numpy", "entropy/saturation", "entropy/corrections"])],
    "losses/index": [(("", ""), ["losses/*"])],
    "integrations/index": [(("", ""), ["integrations/*"])],
    "reference/decisions/index": [(("", ""), ["reference/decisions/*"])],
}
