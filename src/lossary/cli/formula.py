"""The formulas of the catalogue as plain text: LaTeX in, Unicode out."""

import re
from collections.abc import Iterator

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "omega": "ω", "varepsilon": "ε",
}  # fmt: skip
WORDS = {
    name: name
    for name in (
        "log", "exp", "sin", "cos", "tan", "arccos", "arctan", "sinh", "cosh", "tanh", "max", "min", "arg", "lim",
    )
}  # fmt: skip
SYMBOLS = GREEK | WORDS
SYMBOLS |= {
    "ell": "ℓ",
    "partial": "∂",
    "nabla": "∇",
    "implies": "⇒",
    "Rightarrow": "⇒",
    "to": "→",
    "subseteq": "⊆",
    "quad": "  ",
    " ": " ",
    "sum": "Σ",
    "prod": "∏",
    "le": "≤",
    "ge": "≥",
    "ne": "≠",
    "in": "∈",
    "notin": "∉",
    "cdot": "·",
    "infty": "∞",
    "varnothing": "∅",
}
SYMBOLS |= {
    ",": " ",
    ";": " ",
    "!": "",
    "|": "‖",
    "_": "_",
    "{": "{",
    "}": "}",
    "left": "",
    "right": "",
    "textstyle": "",
}
WRAPPERS = ("mathrm", "text", "mathcal", "operatorname")
SCRIPTED = {"B": "ℬ"}
FRACTIONS = {"1/2": "½", "1/4": "¼", "3/4": "¾"}
SUBSCRIPTS = str.maketrans("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
SUPERSCRIPTS = str.maketrans("0123456789+-=()abinptxyTγ", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇⁱⁿᵖᵗˣʸᵀᵞ")
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|.")
WIDTH = 76
CASES = re.compile(r"(.*)\\begin\{cases\}(.*)\\end\{cases\}(.*)")


def readable(latex: str) -> list[str]:
    """The lines of a formula: a line for each part between \\qquad, and one for each of its cases."""
    return [line for part in latex.split(r"\qquad") for line in _lines(part.strip())]


def _lines(latex: str) -> list[str]:
    match = CASES.fullmatch(latex)
    if not match:
        return _broken_at_equals(to_text(latex).rstrip(","))
    before, after = to_text(match[1]), to_text(match[3])
    rows = [[to_text(cell) for cell in row.split("&")] for row in match[2].split(r"\\")]
    width = max(len(value) for value, _ in rows)
    braces = ["⎧", *"⎨" * (len(rows) - 2), "⎩"]
    lines = []
    for brace, (value, condition) in zip(braces, rows, strict=True):
        lead = before if brace == "⎧" else " " * len(before)
        when = condition if condition == "otherwise" else f"if {condition}"
        lines.append(f"{lead} {brace} {value:<{width}}   {when}")
    return [*lines, after] if after else lines


def _broken_at_equals(line: str) -> list[str]:
    first, *rest = re.split(r" = (?![^\[]*\])", line) if len(line) > WIDTH else [line]
    if len(rest) < 2:
        return [line]
    return [f"{first} = {rest[0]}", *(f"{' ' * len(first)} = {side}" for side in rest[1:])]


def to_text(latex: str) -> str:
    """One line of LaTeX as text; ValueError where a command is unknown."""
    text = re.sub(r"\s+", " ", _sequence(iter(TOKEN.findall(latex)))).strip()
    text = re.sub(r"(?<=\[) | (?=\])", "", text)
    return re.sub(rf"\b({'|'.join(WORDS)}) \(", r"\1(", text)


def _sequence(tokens: Iterator[str]) -> str:
    """The text up to the brace that closes, or the end."""
    pieces: list[str] = []
    for token in tokens:
        if token == "}":
            break
        if token == "_":
            pieces.append(_subscript(pieces, _argument(tokens)))
        elif token == "^":
            pieces[-1] = _superscript(pieces[-1], _argument(tokens))
        else:
            pieces.append(_atom(token, tokens))
    return "".join(pieces)


def _atom(token: str, tokens: Iterator[str]) -> str:
    if token == "{":
        return _sequence(tokens)
    if not token.startswith("\\"):
        return token
    command = token[1:]
    if command in WRAPPERS:
        inside = _argument(tokens)
        return SCRIPTED.get(inside, inside)
    if command in ("frac", "tfrac"):
        return _fraction(_argument(tokens), _argument(tokens))
    if command == "binom":
        return f"C({_argument(tokens)}, {_argument(tokens)})"
    if command not in SYMBOLS:
        raise ValueError(f"{token} has no text form: add it to {__name__}")
    return SYMBOLS[command]


def _argument(tokens: Iterator[str]) -> str:
    token = next(token for token in tokens if not token.isspace())
    return re.sub(r"\s+", " ", _atom(token, tokens)).strip().replace("∂ ", "∂")


def _fraction(above: str, below: str) -> str:
    spaced = any(" " in side and not _is_sum(side) for side in (above, below))
    above, below = (f"({side})" if _is_sum(side) else side for side in (above, below))
    if spaced:
        return f"({above} / {below})"
    below = below if len(below) == 1 or not below[0].isdigit() else f"({below})"
    return FRACTIONS.get(f"{above}/{below}", f"{above}/{below}")


def _is_sum(text: str) -> bool:
    """Whether there is a sum or a difference outside of all parentheses."""
    return re.search(r" [-+] ", re.sub(r"\([^()]*\)|\[[^]]*\]", "", text)) is not None


def _subscript(before: list[str], index: str) -> str:
    small = index.translate(SUBSCRIPTS)
    if not set(small) & set(index):
        return small
    if before[-1] in ("Σ", "∏"):
        return f"_{index}" if len(index) == 1 else f"_({index})"
    return f"[{index.replace(', ', ',')}]"


def _superscript(base: str, power: str) -> str:
    small = power.translate(SUPERSCRIPTS)
    if not set(small) & set(power):
        return base + small
    return f"exp({power})" if base == "e" else f"{base}^({power})"
