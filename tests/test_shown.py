"""What a notebook shows of reports, findings, records and explanations, and what a console prints."""

import re
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import scipy.special

import lossary
from lossary.plots import FIGURES
from lossary.reports import BadInput, notebook
from lossary.reports.notebook import small

rng = np.random.default_rng(11)
N = 3000


def drawn_from(logits: np.ndarray) -> np.ndarray:
    return (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


LOGITS, MANY, ONE = (rng.normal(size=shape) * 2 for shape in ((N, 10), (N, 300), N))
SOFT = rng.dirichlet(np.ones(4), N)
REPORTS = {
    "demo": lossary.report(),
    "classification": lossary.report(LOGITS, drawn_from(LOGITS)),
    "of 300 classes": lossary.report(MANY, drawn_from(MANY)),
    "wrong": lossary.report(-LOGITS, drawn_from(LOGITS), names=[f"<b>{k}</b>" * 4 for k in range(10)]),
    "binary": lossary.report(ONE, (rng.random(N) < scipy.special.expit(ONE)).astype(int)),
    "multilabel": lossary.report(LOGITS, (rng.random((N, 10)) < scipy.special.expit(LOGITS)).astype(int)),
    "soft": lossary.report(np.log(SOFT) + rng.normal(size=SOFT.shape) / 3, SOFT),
    "regression": lossary.report(ONE, ONE + rng.standard_t(3, size=N)),
    "nothing counts": lossary.report(LOGITS, np.full(N, -100)),
}
CHECKED = lossary.check("cross_entropy", np.array([[0.75, 0.125, 0.125]] * 8), np.zeros(8, int))
SHOWN: dict[str, Any] = {
    **REPORTS,
    "findings": CHECKED,
    "a finding": CHECKED[0],
    "no findings": lossary.check("mse_loss", np.zeros(3), np.ones(3)),
    "explanation": lossary.explain(lossary.mse_loss, np.zeros(3), np.ones(3)),
    **{record.name: record for record in lossary.catalogue()},
}


class Elements(HTMLParser):
    VOID = ("path", "use", "line", "rect", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        assert not [name for name, _ in attrs if name.startswith("on")]
        links = [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        assert all(link.startswith("#") for link in links), links

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)


@pytest.mark.parametrize("of", SHOWN.values(), ids=SHOWN)
def test_html_is_small_and_closed_and_without_scripts(of: Any) -> None:
    html = of._repr_html_()
    assert len(html.encode()) <= 60 * 1024
    elements = Elements(html)
    assert len(elements.ids) == len(set(elements.ids))
    assert not elements.tags & {"script", "iframe", "link", "img", "b"}


@pytest.mark.parametrize("of", SHOWN.values(), ids=SHOWN)
def test_style_stays_inside(of: Any) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", of._repr_html_(), re.DOTALL)
    assert "url(" not in style and "@import" not in style
    style = re.sub(r"@media[^{]*\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1", style)
    while "{" in style:
        style = re.sub(r"\{[^{}]*\}", ";", style)
    outermost = [selector.strip() for selector in style.split(";") if selector.strip()]
    assert outermost and all(selector.endswith(".lossary-shown") for selector in outermost), outermost


def test_tables_are_left_out_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "ROWS", 1000)
    assert len(small(REPORTS["of 300 classes"]).encode()) <= 60 * 1024
    monkeypatch.setattr(notebook, "MOST", 1000 * 1024)
    assert len(small(REPORTS["of 300 classes"]).encode()) > 60 * 1024


def test_ids_of_two_reports_differ() -> None:
    ids = [set(re.findall(r' id="([^"]+)"', small(REPORTS[name]))) for name in ("classification", "multilabel")]
    assert ids[0] and ids[1] and not ids[0] & ids[1]


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "nothing counts"])
def test_a_report_shows_verdict_merit_and_figures(name: str) -> None:
    report, html = REPORTS[name], REPORTS[name]._repr_html_()
    unfolded = re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)
    merit = [value for result in report.results for _, value, _ in result.highlights]
    assert merit and all(f'<span class="value">{value}</span>' in unfolded for value in merit)
    assert len(re.findall(r"<p><strong class", unfolded)) == len(report.verdict)
    assert unfolded.count("<svg") == 2
    assert report.understanding.text.split(" (")[0].replace("'", "&#x27;") in html
    assert report.understanding.text not in unfolded


@pytest.mark.parametrize("of", SHOWN.values(), ids=SHOWN)
def test_consoles_get_some_lines(of: Any) -> None:
    assert len(repr(of).splitlines()) <= 20
    assert "(" not in repr(of).partition(" ")[0]  # as dataclasses begin


def test_a_console_gets_the_verdict() -> None:
    text = repr(REPORTS["wrong"])
    assert REPORTS["wrong"].lead in text
    assert all(finding.text in text for _, finding in REPORTS["wrong"].verdict)


def test_without_the_packages_a_notebook_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    assert REPORTS["demo"]._repr_html_() is None
    assert r"<code>\ell_n" in lossary.catalogue()[0]._repr_html_()


def test_a_report_is_saved_whole(tmp_path) -> None:
    report = REPORTS["demo"]
    report.save(tmp_path / "report.html")
    report.save(str(tmp_path / "report.json"))
    assert (tmp_path / "report.html").read_text("utf-8") == report.to_html()
    assert (tmp_path / "report.json").read_text("utf-8") == report.to_json()
    with pytest.raises(BadInput, match=r"Fix: one of \.html, \.json"):
        report.save(tmp_path / "report.pdf")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_report_gives_its_figures() -> None:
    report = REPORTS["demo"]
    for result in report.results:
        for place in range(len(result.figures)):
            assert "<svg" in report.plot(result.id, place)._repr_svg_()
    for given in (("calibration", 9), ("calibration", -1), ("mistakes", 0), ("nothing", 0)):
        with pytest.raises(BadInput, match=r"sections with figures are 'losses' \(1\)"):
            report.plot(*given)


def test_losses_are_drawn() -> None:
    def labels(figure: Any) -> list[str]:
        return [text.get_text() for text in figure.legends[0].get_texts()]

    assert labels(lossary.plot("huber_loss", delta=(0.5, 2.0))) == ["delta = 0.5", "delta = 2"]
    assert labels(lossary.plot(lossary.huber_loss, "mse_loss")) == ["huber_loss", "mse_loss"]
    assert lossary.plot("mse_loss", limits=(-1, 4)).axes[0].get_xlim() == (-1, 4)
    assert "<svg" in lossary.plot("mse_loss")._repr_svg_()
    for name in ("ctc_loss", *FIGURES):
        assert lossary.plot(name).axes
    for given, says in (((), "no loss to draw"), (("nothing",), "plot: no loss is called 'nothing'")):
        with pytest.raises(ValueError, match=says):
            lossary.plot(*given)
    with pytest.raises(ValueError, match="no option 'delt' to draw"):
        lossary.plot("huber_loss", delt=1)


def test_lossary_plot_takes_modules() -> None:
    assert lossary.plot(lossary.nn.HuberLoss()).axes[0].get_title() == "loss"
