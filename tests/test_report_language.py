"""A report in Chinese says everything in Chinese, with the same numbers; the terminal breaks lines where it ends."""

import html
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from lossary.cli.app import app
from lossary.reports import BadInput, report
from lossary.reports.sections import SECTIONS
from lossary.reports.terminal import wrapped
from lossary.translations import FOLDER, join, say, speaking, translations

CITED = re.compile(r"(?:De)?[A-Z][a-z]+ (?:et al\.|&)(?: [A-Z][a-z]+)? \d{4}")
CODE = re.compile(r"label_smoothing=0\.1|sum Var|cross_entropy, ")
SENTENCE = re.compile(r"[A-Za-z][a-z]+(?:,? [a-z]{2,})+")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    rng, folder = np.random.default_rng(3), tmp_path_factory.mktemp("files")
    target = rng.normal(20, 4, 2000)
    scores, pixels = 2 * rng.normal(size=(2000, 5)), 2 * rng.normal(size=(6, 4, 12, 12))
    labels = (scores / 2 + rng.gumbel(size=scores.shape)).argmax(axis=1)
    masks = (pixels / 2 + rng.gumbel(size=pixels.shape)).argmax(axis=1)
    arrays = {
        "classification": {"logits": scores, "labels": labels},
        "regression": {"y_pred": 0.6 * target + rng.standard_t(3, 2000), "y_true": target},
        "segmentation": {"logits": pixels, "masks": masks},
        "multilabel": {"logits": scores, "labels": (rng.random(scores.shape) < 1 / (1 + np.exp(-scores))).astype(int)},
    }
    for task, saved in arrays.items():
        np.savez(folder / f"{task}.npz", **saved)
    return {task: folder / f"{task}.npz" for task in arrays}


def english(page: str) -> list[str]:
    """Runs of English words on a page, but for citations and code."""
    body = page[page.index("</style>") :]
    texts = re.split(r"<[^>]*>", body) + re.findall(r'(?:aria-label|data-column)="([^"]*)"', body)
    shown = (CODE.sub("", CITED.sub("", html.unescape(text))) for text in texts)
    return [found for text in shown for found in SENTENCE.findall(text)]


TASKS = ("classification", "regression", "segmentation", "multilabel")


@pytest.mark.parametrize("task", TASKS)
def test_a_report_in_chinese_holds_no_english_sentence(files, task):
    assert not english(report(files[task], language="zh").to_html())


@pytest.mark.parametrize(
    "text",
    [
        "Numbers to compare with",
        "temperature T; dashed: as saved",
        "Not checked: {title} (needs {needs}).",
        "Per class",
    ],
)
def test_the_test_sees_a_text_that_was_forgotten(files, monkeypatch, text):
    known = {english: chinese for english, chinese in translations("zh").items() if english != text}
    monkeypatch.setattr("lossary.translations.translations", lambda language: known)
    assert english(report(files["classification"], language="zh").to_html())


def test_numbers_and_their_names_are_the_same_in_both_languages(files):
    for file in files.values():
        ours, theirs = (report(file, language=language) for language in ("en", "zh"))
        for one, other in zip(ours.results, theirs.results, strict=True):
            assert one.id == other.id
            assert one.title != other.title
            np.testing.assert_equal(one.values, other.values)


def test_figures_are_drawn_in_the_language_of_the_report(files):
    result = report(files["regression"], language="zh")
    assert "预测 - 目标" in result.to_html()
    with speaking("zh"):
        assert "prediction - target" in report(files["regression"]).to_html()


def test_an_unknown_language_is_refused(files):
    with pytest.raises(BadInput, match="language 'fr' is unknown"):
        report(files["regression"], language="fr")  # pyright: ignore[reportArgumentType]


def test_titles_of_sections_have_translations():
    for section in SECTIONS:
        assert {section.title, section.needs} <= set(translations("zh"))


def test_fields_of_texts_are_those_of_their_translations():
    import polib

    for entry in polib.pofile(str(FOLDER / "zh" / "reports.po")):
        fields = (sorted(re.findall(r"\{[^}]*\}", text)) for text in (entry.msgid, entry.msgstr))
        assert next(fields) == next(fields), entry.msgid


def test_parts_are_joined_as_the_language_writes_it():
    assert join("; ", ["a", "", "b"]) == "a; b"
    with speaking("zh"):
        assert join("; ", ["甲", "乙"]) == "甲；乙"
        assert join(" ", ["甲。", "乙。"]) == "甲。乙。"
        assert say("warning") == "警告"


class TestTerminal:
    @pytest.mark.parametrize("width", [40, 71, 100])
    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_lines_end_where_the_terminal_does(self, files, monkeypatch, language, width):
        monkeypatch.setenv("COLUMNS", str(width))
        said = CliRunner().invoke(app, ["report", str(files["regression"]), "--no-html", "--lang", language])
        lines = [line.rstrip() for line in said.stdout.splitlines()]
        assert said.exit_code == 1
        assert max(map(cell_len, lines)) <= width
        assert not [line for line in lines if line.strip()[:1] in set("，。；：、？）”")]

    def test_chinese_breaks_inside_of_a_sentence(self):
        lines = wrapped("预测的变化太小：对目标的斜率为 0.5。", 16).splitlines()
        assert lines == ["预测的变化太小：", "对目标的斜率为", "0.5。"]

    def test_the_verdict_comes_alone(self, files):
        run = CliRunner().invoke
        said = run(app, ["report", str(files["classification"]), "--no-html", "--lang", "zh"]).stdout
        assert "结论" in said
        assert "召回率" not in said
        full = run(app, ["report", str(files["classification"]), "--no-html", "--lang", "zh", "--full"]).stdout
        assert full.index("结论") < full.index("召回率")

    def test_the_language_is_that_of_the_locale(self, files, monkeypatch):
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        monkeypatch.setattr("lossary.cli.language.prints", lambda text: True)
        assert "结论" in CliRunner().invoke(app, ["report", str(files["regression"]), "--no-html"]).stdout

    @pytest.mark.parametrize("form", ["--full", "--json"])
    def test_a_reader_who_leaves_is_no_error(self, files, form):
        command = [sys.executable, "-m", "lossary", "report", str(files["classification"]), "--no-html", form]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
