"""`lossary which [NAME|FILE|--CIRCUMSTANCE]...`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from lossary import which as table_of_rules
from lossary.cli.language import Lang, language_of
from lossary.cli.names import find
from lossary.cli.terminal import AsJson, Refusal, bullets, did_you_mean, heading, indented, show, show_json
from lossary.cli.words import word
from lossary.reports.formats.files import is_file
from lossary.translations import Language, translate
from lossary.which import TASKS, Answer
from lossary.which.answers import AND, sections
from lossary.which.compare import Comparison, compare
from lossary.which.data import Seen, look


def which(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|FILE|--CIRCUMSTANCE",
            help="Losses to compare; or saved predictions and targets, or targets alone; or what holds of the task.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help=f"What is predicted: {', '.join(TASKS)}.")
    ] = None,
    pred_key: Annotated[str | None, typer.Option(help="Array of the predictions.", show_default="guessed")] = None,
    target_key: Annotated[str | None, typer.Option(help="Array of the targets.", show_default="guessed")] = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Say which loss, why, and what would change the answer.

    For a task and its circumstances; for saved predictions; or between losses. Without arguments: all questions.
    """
    language = language_of(lang)
    flags = [word[2:] for word in words or () if word.startswith("--")]
    names = [word for word in words or () if not word.startswith("--")]
    files = [name for name in names if is_file(name)]
    if files:
        seen = look(files, prediction_key=pred_key, target_key=target_key, language=language)
        _show_answer(_answer(task or seen.task, [*seen.circumstances, *flags], language), language, as_json, seen)
    elif names:
        if task or flags:
            raise Refusal(f"{names[0]}: give losses to compare, or --task with its circumstances")
        _show_comparison(compare([find(name) for name in names], language), language, as_json)
    elif task:
        _show_answer(_answer(task, flags, language), language, as_json)
    elif flags:
        fitting = [name for name, known in TASKS.items() if flags[0] in known.circumstances]
        raise Refusal(f"--{flags[0]} needs a --task: {', '.join(fitting) or 'lossary which shows all'}")
    else:
        _show_questions(language, as_json)


def _answer(task: str, circumstances: Sequence[str], language: Language) -> Answer:
    try:
        return table_of_rules.answer(task, circumstances, language)
    except ValueError as error:
        known = TASKS[task].circumstances if task in TASKS else TASKS
        unknown = next((name for name in (task, *circumstances) if name not in known and name not in TASKS), "")
        raise Refusal(f"{str(error).removeprefix('which: ')}.{did_you_mean(unknown, known)}") from None


def _show_answer(answer: Answer, language: Language, as_json: bool, seen: Seen | None = None) -> None:
    if as_json:
        show_json(
            asdict(answer) | ({"read": seen.read, "seen": [*seen.circumstances.values(), *seen.also]} if seen else {})
        )
    else:
        show(*_lines(answer, language, seen))


def _lines(answer: Answer, language: Language, seen: Seen | None) -> Iterator[RenderableType]:
    if seen:
        yield heading(word("read", language))
        yield indented(Text(seen.read))
        yield from _points(word("seen", language), [*seen.circumstances.values(), *seen.also])
        yield Text()
    yield Text(translate(AND, language).join([answer.asked, *answer.circumstances.values()]), style="dim")
    yield Text.assemble((answer.loss, "bold"), f": {answer.title}")
    yield indented(Text(answer.says))
    for title, points in sections(answer, language):
        yield Text()
        yield from _points(title, points)


def _points(title: str, points: Sequence[str]) -> Iterator[RenderableType]:
    if points:
        yield heading(title)
        yield indented(bullets(points))


def _show_questions(language: Language, as_json: bool) -> None:
    def t(text: str) -> str:
        return translate(text, language)

    if as_json:
        found = {
            task: [asdict(table_of_rules.answer(task, r.when, language)) for r in TASKS[task].rules] for task in TASKS
        }
        show_json(found)
        return
    show(Text(word("what", language), style="bold"), *_questions(t))


def _questions(t: Callable[[str], str]) -> Iterator[RenderableType]:
    for task in TASKS.values():
        yield Text()
        yield Text.assemble((f"--task {task.name}", "bold"), f"  {t(task.says)}: {task.rules[-1].loss}")
        yield indented(bullets(f"--{name}: {t(says)}" for name, says in task.circumstances.items()))


def _show_comparison(compared: Comparison, language: Language, as_json: bool) -> None:
    if as_json:
        show_json(asdict(compared))
        return
    links = [f"{statement} [{name}]" for name, statement in compared.links.items()]
    show(*_compared(compared), *_points(word("links", language), links))


def _compared(compared: Comparison) -> Iterator[RenderableType]:
    for about in next(iter(compared.losses.values())):
        found = {name: said[about] for name, said in compared.losses.items() if said[about]}
        if found:
            yield heading(about)
        for name, sentences in found.items():
            yield indented(Text(name, style="bold"))
            yield indented(bullets(sentences), 4)
        yield from [Text()] * bool(found)
