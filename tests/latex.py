r"""The LaTeX of the records as numbers: a formula is read, and evaluated over NumPy arrays.

What is read is the notation of the catalogue:

- equations, `left = right`, or `left = this way = that way`, parted by `\qquad`. On the left is a name, with indices or
  arguments, which the equation defines for the others; or a derivative, `\frac{\partial \ell_n}{\partial x_{n,c}}` or
  `\frac{\partial}{\partial x_k} \sum_i \ell_i`;
- `\text{squared:}` before an equation, and `\text{iou}` as the condition of a case: with that option, or word of one.
  There the equation stands in place of those of its name that have no condition;
- names: letters, Greek letters, `\mathrm{TP}`, and known words such as `TP`. A prime, a sign or a digit belongs to its
  name: `x'`, `r_+`, `x_1`;
- other subscripts are indices: `x_i`, `x_{n,c}`, `x_{nc}`, `x_{n,y_n}`. What has fewer of them than axes is an array:
  `\mathrm{softmax}(x_n)_c`, `\|a_n\|`, `a_n \cdot b_n`, `W x_n`;
- an index runs over the axis at which it stands, in sums, products, minima and maxima, with a condition or without:
  `\sum_c`, `\max_{c \ne y_n}`, `\sum_{j: t_j \ge t_i}`, `\sum_{j \in Y_n}`, `\arg\max_c`. They take the product that
  follows them, up to a plus or a minus;
- `[c = y_n]`, a condition in brackets: 1 where it holds, 0 where not;
- `e^{x}`, fractions, powers, `|x|`, `\|x\|_p`, `\begin{cases}`, and the functions in FUNCTIONS.

What mathematicians read in two ways is refused: `\log a b`, `a / b c`.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from typing import Any, NamedTuple, NoReturn

import numpy as np

Value = Any
"""A number, a truth value or an array."""


class Unreadable(ValueError):
    def __init__(self, what: str, latex: str, position: int) -> None:
        super().__init__(f"{what}:\n{latex}\n{' ' * position}^")


def softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def cosine(*arguments: Value) -> Value:
    """Of an angle, or of that between two vectors."""
    if len(arguments) == 1:
        return np.cos(arguments[0])
    a, b = arguments
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def dot(a: Value, b: Value) -> Value:
    """Of numbers, of a number and an array, of two vectors, or of a matrix and a vector."""
    return a @ b if np.ndim(a) and np.ndim(b) else a * b


def product(a: Value, b: Value) -> Value:
    if np.ndim(a) == 1 and np.ndim(b) == 1:
        raise ValueError(r"two vectors are multiplied: write \cdot where their dot product is meant")
    return dot(a, b)


def norm(x: np.ndarray, p: float = 2.0) -> float:
    return float(np.linalg.norm(x, p))


def among(x: Value, values: np.ndarray) -> bool:
    return bool(np.any(values == x))


FUNCTIONS: dict[str, Callable[..., Value]] = {
    r"\log": np.log,
    r"\exp": np.exp,
    r"\sigma": lambda x: 1 / (1 + np.exp(-x)),  # where a bracket follows
    r"\tanh": np.tanh,
    r"\cosh": np.cosh,
    r"\cos": cosine,
    r"\arctan": np.arctan,
    r"\max": lambda *x: reduce(np.maximum, x),
    r"\min": lambda *x: reduce(np.minimum, x),
    "softmax": softmax,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "sign": np.sign,
}
OVER: dict[str, Callable[[list[Value]], Value]] = {
    r"\sum": lambda terms: sum(terms, start=0.0),
    r"\prod": lambda terms: reduce(product, terms, 1.0),
    r"\max": lambda terms: max(terms, default=-np.inf),
    r"\min": lambda terms: min(terms, default=np.inf),
}
RELATIONS: dict[str, Callable[[Value, Value], Value]] = {
    "=": operator.eq,
    r"\ne": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    r"\le": operator.le,
    r"\ge": operator.ge,
    r"\in": among,
    r"\notin": lambda x, values: not among(x, values),
}
SIGNS: dict[str, Callable[[Value, Value], Value]] = {"+": operator.add, "-": operator.sub}
CONSTANTS = {"e": np.e, r"\pi": np.pi}
CLOSING = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", "|": "|", r"\|": r"\|"}


# What is read


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Name:
    text: str
    position: int


@dataclass(frozen=True)
class Index:
    """An array, or a definition, at indices."""

    base: "Node"
    indices: tuple["Node", ...]


@dataclass(frozen=True)
class Apply:
    """A function, an operator or a relation of values."""

    function: Callable[..., Value]
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Call:
    """A function that the formula itself defines."""

    name: Name
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Over:
    """A sum, or the like, of `body` over an index, where `condition` holds. best: the index is the answer."""

    operation: str
    letter: Name
    condition: "Node"
    body: "Node"
    best: bool = False


@dataclass(frozen=True)
class Cases:
    rows: tuple[tuple["Node", "Node"], ...]


@dataclass(frozen=True)
class Word:
    """A condition in words: an option, or a word of one."""

    text: str
    position: int


Node = Number | Name | Index | Apply | Call | Over | Cases | Word
ALWAYS = Number(1.0)


@dataclass(frozen=True)
class Equation:
    """name: what is defined, or what is differentiated by. letters: its indices, or the arguments of a function.

    above: the indices of what is differentiated. names: all that it mentions.
    """

    name: str
    letters: tuple[str, ...]
    sides: tuple[Node, ...]
    names: frozenset[str]
    condition: Node = ALWAYS
    is_derivative: bool = False
    is_function: bool = False
    above: tuple[str, ...] = ()


# Reading


class Token(NamedTuple):
    kind: str
    text: str
    position: int


OPENING = {*CLOSING, r"\frac", r"\tfrac", r"\sqrt", r"\sum", r"\prod", r"\arg", r"\begin{cases}"}
"""What a factor begins with, if not with a name or a number."""
COMMANDS = {*OPENING, *RELATIONS, r"\cdot", r"\partial", r"\qquad"}
TOKEN = re.compile(
    r"""
      (?P<space> \s+ | \\[,;:!\ ] | \\(?:quad|left|right|textstyle|displaystyle)(?![a-zA-Z]) )
    | \\text\{ (?P<text> [^{}]* ) \}
    | \\(?:mathrm|operatorname|mathcal)\{ (?P<word> [^{}]* ) \}
    | (?P<number> \d+(?:\.\d+)? )
    | (?P<name> (?: [a-zA-Z] | \\[a-zA-Z]+ ) (?: '+ | _[-+0-9] | _\{[-+0-9]\} )? )
    | (?P<sign> \\\S | \S )
    """,
    re.VERBOSE,
)
ENVIRONMENTS = (r"\\begin\{cases\}", r"\\end\{cases\}")
FUNCTION_DEFINED = re.compile(r"(?:^|\\qquad)\s*(?:\\mathrm\{)?(\\?[a-zA-Z]+)\}?\([a-z](?:, *[a-z])*\)\s*=")


def tokens(latex: str, names: Iterable[str] = ()) -> Iterator[Token]:
    """names: those of several letters, such as TP, which would else be a product."""
    long = [name for name in names if len(name) > 1 and name.isalpha()]
    words = re.compile("|".join([*ENVIRONMENTS, *long]))
    position = 0
    while position < len(latex):
        match = words.match(latex, position)
        if match:
            yield Token("name" if match[0] in long else "sign", match[0], position)
        else:
            match = TOKEN.match(latex, position)
            kind = match.lastgroup
            text = match[kind].replace(r"\_", "_")
            if kind == "name" and text in COMMANDS:
                kind = "sign"
            if kind != "space":
                yield Token("name" if kind == "word" else kind, re.sub(r"_\{(.)\}", r"_\1", text), position)
        position = match.end()
    yield Token("end", "the end", position)


class Parser:
    """A recursive descent: a method for each kind of expression, from the loosest bond to the closest."""

    def __init__(self, latex: str, names: Iterable[str] = ()) -> None:
        self.latex = latex
        self.tokens = list(tokens(latex, names))
        self.place = 0
        self.functions = set(FUNCTION_DEFINED.findall(latex))
        self.open = [""]  # the brackets around the place: a bar within bars closes them

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    def advance(self) -> Token:
        self.place += 1
        return self.tokens[self.place - 1]

    def take(self, *texts: str) -> bool:
        if self.next.text not in texts or self.next.kind == "text":
            return False
        self.place += 1
        return True

    def expect(self, text: str) -> None:
        if not self.take(text):
            self.fail(f"{text} is expected, not {self.next.text}")

    def fail(self, what: str, token: Token | None = None) -> NoReturn:
        raise Unreadable(what, self.latex, (token or self.next).position)

    def equations(self) -> list[Equation]:
        found = []
        while self.next.kind != "end":
            found.append(self.equation())
            self.take(",", ";", ".")
            if not self.take(r"\qquad") and self.next.kind != "end":
                self.fail(r"\qquad or the end is expected")
        return found

    def equation(self) -> Equation:
        condition = self.word() if self.next.kind == "text" else ALWAYS
        start = self.place
        is_derivative = self.take(r"\frac")
        above, left = self.derivative() if is_derivative else (Number(0.0), self.factor())
        self.expect("=")
        sides = [self.expression()]
        while self.take("="):
            sides.append(self.expression())
        name, letters = self.named_left(left, self.tokens[start])
        is_function = isinstance(left, Call)
        names = {token.text for token in self.tokens[start : self.place] if token.kind == "name"}
        return Equation(
            name,
            letters,
            tuple(sides),
            frozenset(names - set(letters) if is_function else names),
            condition,
            is_derivative,
            is_function,
            self.named_left(above, self.tokens[start])[1] if isinstance(above, Index) else (),
        )

    def named_left(self, left: Node, start: Token) -> tuple[str, tuple[str, ...]]:
        """What stands left of =, or in a derivative there, and its indices or arguments."""
        indices = left.indices if isinstance(left, Index) else left.arguments if isinstance(left, Call) else ()
        name = left.base if isinstance(left, Index) else left.name if isinstance(left, Call) else left
        if not isinstance(name, Name) or not all(isinstance(index, Name) for index in indices):
            self.fail("what stands left of = is no name with indices", start)
        return name.text, tuple(index.text for index in indices)

    def derivative(self) -> tuple[Node, Node]:
        r"""What is differentiated, and by what, after \frac."""
        self.expect("{")
        self.expect(r"\partial")
        whole = self.take("}")
        if not whole:
            above = self.factor()
            self.expect("}")
        self.expect("{")
        self.expect(r"\partial")
        by = self.factor()
        self.expect("}")
        return (self.factor() if whole else above), by

    def expression(self) -> Node:
        minus = not self.take("+") and self.take("-")
        node = self.term()
        node = Apply(operator.neg, (node,)) if minus else node
        while self.next.text in SIGNS:
            node = Apply(SIGNS[self.advance().text], (node, self.term()))
        return node

    def term(self) -> Node:
        node = self.factor()
        while True:
            if self.take(r"\cdot"):
                node = Apply(dot, (node, self.factor()))
            elif self.take("/"):
                node = Apply(operator.truediv, (node, self.factor()))
                self.refuse_factor("a / b c has two readings: write a fraction")
            elif self.starts_factor():
                node = Apply(product, (node, self.factor()))
            else:
                return node

    def starts_factor(self) -> bool:
        kind, text, _ = self.next
        if kind in ("name", "number"):
            return True
        return text in OPENING and text != CLOSING.get(self.open[-1])

    def refuse_factor(self, why: str) -> None:
        if self.starts_factor():
            self.fail(why)

    def factor(self) -> Node:
        """An atom with its indices and powers."""
        node = self.atom()
        while self.next.text in ("_", "^"):
            if self.take("_"):
                node = Index(node, self.subscript())
            else:
                self.expect("^")
                node = Apply(operator.pow, (node, self.argument()))
        return node

    def subscript(self) -> tuple[Node, ...]:
        if not self.take("{"):
            return (self.argument(),)
        indices: list[Node] = []
        with_bracket = self.enter("{")
        while True:
            letter = self.next
            indices.append(self.factor())
            while self.next.kind == "name" and letter.kind == "name":  # x_{nc} is x_{n,c}
                indices.append(self.factor())
            while self.next.text in SIGNS:  # x_{t-1}
                indices[-1] = Apply(SIGNS[self.advance().text], (indices[-1], self.factor()))
            if not self.take(","):
                self.leave(with_bracket)
                return tuple(indices)

    def enter(self, bracket: str) -> str:
        self.open.append(bracket)
        return CLOSING[bracket]

    def leave(self, closing: str) -> None:
        self.expect(closing)
        self.open.pop()

    def argument(self) -> Node:
        r"""What \frac, ^ and _ take: a group in braces, or a single sign."""
        if self.next.text == "{":
            return self.atom()
        kind, text, position = self.next
        if kind == "number" and len(text) > 1:  # \tfrac12
            self.tokens[self.place : self.place + 1] = [
                Token(kind, text[0], position),
                Token(kind, text[1:], position + 1),
            ]
        return self.atom()

    def atom(self) -> Node:
        token = self.advance()
        if token.kind == "number":
            return Number(float(token.text))
        if token.kind == "name":
            return self.named(token)
        if token.text in (r"\frac", r"\tfrac"):
            return Apply(operator.truediv, (self.argument(), self.argument()))
        if token.text == r"\sqrt":
            return Apply(np.sqrt, (self.argument(),))
        if token.text in (r"\sum", r"\prod"):
            return self.over(token.text)
        if token.text == r"\arg":
            return self.over(self.advance().text, best=True)
        if token.text == r"\begin{cases}":
            return self.cases()
        if token.text in CLOSING and token.kind == "sign":
            return self.bracketed(token.text)
        self.fail(f"{token.text} is not understood", token)

    def bracketed(self, bracket: str) -> Node:
        closing = self.enter(bracket)
        inside = self.expression()
        if bracket == "[" and self.next.text in RELATIONS:
            inside = Apply(float, (self.condition(inside),))
        self.leave(closing)
        if bracket == "|":
            return Apply(abs, (inside,))
        if bracket == r"\|":
            return Apply(norm, (inside, self.argument())) if self.take("_") else Apply(norm, (inside,))
        return inside

    def named(self, token: Token) -> Node:
        text, following = token.text, self.next.text
        if text in OVER and following == "_":
            return self.over(text)
        if text == "e" and following == "^":
            self.expect("^")
            return Apply(np.exp, (self.argument(),))
        if text in self.functions and following == "(":
            return Call(Name(text, token.position), self.arguments())
        if text in FUNCTIONS and (text != r"\sigma" or following == "("):
            return self.function(FUNCTIONS[text])
        return Name(text, token.position)

    def function(self, function: Callable[..., Value]) -> Node:
        power = self.argument() if self.take("^") else Number(1.0)
        if self.next.text == "(":
            node = Apply(function, self.arguments())
        else:
            node = Apply(function, (self.factor(),))
            self.refuse_factor("where the argument of the function ends has two readings: write brackets")
        return node if power == Number(1.0) else Apply(operator.pow, (node, power))

    def arguments(self) -> tuple[Node, ...]:
        self.expect("(")
        closing = self.enter("(")
        found = [self.expression()]
        while self.take(","):
            found.append(self.expression())
        self.leave(closing)
        return tuple(found)

    def over(self, operation: str, best: bool = False) -> Node:
        self.expect("_")
        braces = self.take("{")
        if self.next.kind != "name":
            self.fail("an index is expected")
        token = self.advance()
        letter, condition = Name(token.text, token.position), ALWAYS
        if self.take(":"):
            condition = self.condition(self.expression())
        elif braces and self.next.text != "}":
            condition = self.condition(letter)
        if braces:
            self.expect("}")
        return Over(operation, letter, condition, self.term(), best)

    def condition(self, left: Node) -> Node:
        """Relations, of which all hold, after their first side."""
        found: list[Node] = []
        while True:
            if self.next.text not in RELATIONS:
                self.fail("a relation is expected, such as = or <")
            relation = RELATIONS[self.advance().text]
            right = self.expression()
            found.append(Apply(relation, (left, right)))
            left = right
            if self.take(","):
                left = self.expression()
            elif self.next.text not in RELATIONS:
                return found[0] if len(found) == 1 else Apply(lambda *each: all(each), tuple(found))

    def word(self) -> Node:
        token = self.advance()
        return Word(token.text.strip(" :"), token.position)

    def cases(self) -> Node:
        rows = []
        while True:
            value = self.expression()
            self.expect("&")
            if self.next.text == "otherwise":
                self.advance()
                rows.append((value, ALWAYS))
            else:
                is_word = self.next.kind == "text"
                rows.append((value, self.word() if is_word else self.condition(self.expression())))
            if not self.take(r"\\"):
                self.expect(r"\end{cases}")
                return Cases(tuple(rows))


@cache
def equations(latex: str, names: tuple[str, ...] = ()) -> tuple[Equation, ...]:
    return tuple(Parser(latex, names).equations())


# Evaluating


def applicable(equations: list[Equation], absent: set[str]) -> list[Equation]:
    """Those that mention nothing absent, nor what is defined by such as do; where a condition holds, those with it."""
    special = {(e.name, e.is_derivative) for e in equations if e.condition != ALWAYS}
    chosen = [e for e in equations if e.condition != ALWAYS or (e.name, e.is_derivative) not in special]
    kept = [equation for equation in chosen if not equation.names & absent]
    gone = {e.name for e in equations if not e.is_derivative} - {e.name for e in kept}
    return kept if gone <= absent else applicable(equations, absent | gone)


@dataclass
class Formula:
    """LaTeX, and what its names stand for: None for what is not given, and equations that mention it do not apply.

    words: whether each option or word of one that a condition may name is the one of this call. names: what has names
    of several letters.
    """

    latex: str
    values: Mapping[str, Value | None]
    words: Mapping[str, bool] = field(default_factory=dict)
    names: Iterable[str] = ()

    def __post_init__(self) -> None:
        self.written = equations(self.latex, tuple(self.names))
        holding = [equation for equation in self.written if self.value(equation.condition, {})]
        self.equations = applicable(holding, {name for name, value in self.values.items() if value is None})
        self.definitions = {e.name: e for e in self.equations if not e.is_derivative and e.name not in self.values}
        self.sizes: dict[str, int] = {}
        self.being_measured: set[str] = set()

    def array(self, equation: Equation) -> np.ndarray:
        """The right side for every index on the left."""
        self.sizes.clear()
        if equation.is_derivative and equation.name in self.values:
            self.measure(zip(equation.letters, np.shape(self.values[equation.name]), strict=False))
        for side in equation.sides:
            self.shape(side)
        letters = [letter for letter in dict.fromkeys([*equation.letters, *equation.above]) if letter in self.sizes]
        shape = [self.sizes[letter] for letter in letters]
        found = [self.right(equation, dict(zip(letters, at, strict=True))) for at in np.ndindex(*shape)]
        return np.reshape(found, (*shape, *np.shape(found[0]))) if found else np.zeros(shape)

    def right(self, equation: Equation, at: Mapping[str, Value]) -> Value:
        """The right side; where there are several, they agree."""
        first, *others = (self.value(side, at) for side in equation.sides)
        for other in others:
            np.testing.assert_allclose(other, first, 1e-9, 1e-12, err_msg=f"the sides differ: {self.latex}")
        return first

    def value(self, node: Node, at: Mapping[str, Value]) -> Value:
        """The value of an expression where the indices are those of `at`."""
        match node:
            case Number(number):
                return number
            case Name(text) if text in at:
                return at[text]
            case Name(text) if text in self.values:
                return self.values[text]
            case Index(Name(text) as name, indices) if text not in self.values:
                return self.defined(name, [self.value(index, at) for index in indices], at)
            case Name():
                return self.defined(node, [], at)
            case Index(base, indices):
                return np.asarray(self.value(base, at))[tuple(int(self.value(index, at)) for index in indices)]
            case Apply(function, arguments):
                return function(*(self.value(argument, at) for argument in arguments))
            case Call(name, arguments):
                return self.defined(name, [self.value(argument, at) for argument in arguments], at)
            case Over():
                return self.over(node, at)
            case Cases(rows):
                return next(self.value(value, at) for value, condition in rows if self.value(condition, at))
            case Word(text, position):
                if text not in self.words:
                    raise Unreadable(f"{text} is no option, nor a word of one", self.latex, position)
                return self.words[text]

    def defined(self, name: Name, given: list[Value], at: Mapping[str, Value]) -> Value:
        equation = self.definitions.get(name.text)
        if equation is None and name.text in CONSTANTS and not given:
            return CONSTANTS[name.text]
        if equation is None:
            raise Unreadable(f"{name.text} is no argument, index or definition", self.latex, name.position)
        of_definition, of_value = given[: len(equation.letters)], given[len(equation.letters) :]
        if len(of_definition) < len(equation.letters):
            raise Unreadable(f"{name.text} has fewer indices than its definition", self.latex, name.position)
        value = self.right(equation, {**at, **dict(zip(equation.letters, of_definition, strict=True))})
        return np.asarray(value)[tuple(int(index) for index in of_value)] if of_value else value

    def over(self, node: Over, at: Mapping[str, Value]) -> Value:
        letter, position = node.letter.text, node.letter.position
        if letter not in self.sizes:
            raise Unreadable(f"{letter} stands at no axis that is known", self.latex, position)
        places = [{**at, letter: place} for place in range(self.sizes[letter])]
        counted = [place for place in places if self.value(node.condition, place)]
        terms = [self.value(node.body, place) for place in counted]
        if node.best:
            return counted[terms.index(OVER[node.operation](terms))][letter]
        return OVER[node.operation](terms)

    # How far each index runs: the shapes of what it stands at

    def measure(self, found: Any) -> None:
        for letter, size in found:
            if self.sizes.setdefault(letter, size) != size:
                message = f"{letter} stands at axes of {self.sizes[letter]} and of {size}"
                raise Unreadable(message, self.latex, self.latex.index(letter))

    def shape(self, node: Node) -> tuple[int, ...]:
        """The shape of an expression's value, as far as it is known before indices have values."""
        match node:
            case Name(text) if text in self.values:
                return np.shape(self.values[text])
            case Name(text) if text in self.definitions:
                return self.shape_of_definition(text)
            case Index(base, indices):
                return self.shape_of_index(base, indices)
            case Apply(function, arguments):
                shapes = [self.shape(argument) for argument in arguments]
                if function in (norm, dot, among, cosine):
                    return ()
                if function is product and len(shapes[0]) == 2:
                    return shapes[0][:1] + shapes[1][1:]
                return max(shapes, key=len)
            case Call(_, arguments):
                for argument in arguments:
                    self.shape(argument)
            case Over(body=body, condition=condition):
                self.shape(condition)
                return self.shape(body)
            case Cases(rows):
                return max((self.shape(part) for row in rows for part in row), key=len)
        return ()

    def shape_of_definition(self, name: str) -> tuple[int, ...]:
        equation = self.definitions[name]
        if equation.is_function or name in self.being_measured:
            return ()
        self.being_measured.add(name)
        shape = self.shape(equation.sides[0])
        self.being_measured.remove(name)
        return shape

    def shape_of_index(self, base: Node, indices: tuple[Node, ...]) -> tuple[int, ...]:
        for index in indices:
            self.shape(index)
        shape = self.shape(base)
        if isinstance(base, Name) and base.text in self.definitions and base.text not in self.values:
            letters = self.definitions[base.text].letters
            shape = (*(self.sizes.get(letter, 0) for letter in letters), *shape)
        places = [(i.text, n) for i, n in zip(indices, shape, strict=False) if isinstance(i, Name) and n]
        self.measure((letter, size) for letter, size in places if letter not in self.values)
        return shape[len(indices) :]
