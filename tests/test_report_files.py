"""The forms in which people save predictions: what the report makes of each, or why it refuses it.

docs/report_files.md is written from FORMS. All forms of one task hold the same predictions, so that whatever is misread
has another loss.
"""

import bz2
import csv
import gzip
import io
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import safetensors.numpy
import scipy.special
import torch

from lossary.reports import BadInput, Comparison, report

pytestmark = pytest.mark.usefixtures("on_the_command_line")
N, C, LENGTH = 120, 3, 6
NAMES = ("ant", "bee", "cat")
rng = np.random.default_rng(1)
LOGITS = (rng.normal(size=(N, C)) * 2).astype(np.float32)
PROBS = scipy.special.softmax(LOGITS.astype(float), axis=1)
LABELS = np.array([rng.choice(C, p=row) for row in PROBS])
WORDS = np.array(NAMES)[LABELS]
LOG_PROBS = np.log(PROBS)
P = scipy.special.expit(rng.normal(size=N) * 2)
YES = (rng.random(N) < P).astype(int)
MANY = scipy.special.expit(rng.normal(size=(N, C)))
TAGS = (rng.random((N, C)) < MANY).astype(int)
TAGS[0] = 1
SOFT = scipy.special.softmax(rng.normal(size=(N, C)), axis=1)
ACTUAL = rng.normal(size=N) * 3 + 20
PREDICTED = ACTUAL + rng.normal(size=N)
TOKEN_LOGITS = rng.normal(size=(N // LENGTH, LENGTH, C)).astype(np.float32) * 2
TOKENS = rng.integers(0, C, (N // LENGTH, LENGTH))
ORDER = rng.permutation(N)


def picked(log_probs: np.ndarray, labels: np.ndarray) -> float:
    return -float(np.take_along_axis(log_probs, labels[..., None], axis=-1).mean())


TOKEN_LOG_PROBS = [row[: 3 + k % 4].tolist() for k, row in enumerate(-rng.exponential(size=(N // LENGTH, LENGTH)))]
EXPECTED = {
    "tokens": -float(np.mean([x for row in TOKEN_LOG_PROBS for x in row])),
    "classes": picked(LOG_PROBS, LABELS),
    "binary": -float(np.log(np.where(YES, P, 1 - P)).mean()),
    "multilabel": -float(np.log(np.where(TAGS, MANY, 1 - MANY)).mean()),
    "soft": -float((SOFT * LOG_PROBS).sum(axis=1).mean()),
    "soft, of 0.9": -0.9 * float((SOFT * LOG_PROBS).sum(axis=1).mean()),
    "values": float(((PREDICTED - ACTUAL) ** 2).mean()),
    "positions": picked(scipy.special.log_softmax(TOKEN_LOGITS, axis=-1), TOKENS),
    "shifted": picked(scipy.special.log_softmax(TOKEN_LOGITS[:, :-1], axis=-1), TOKENS[:, 1:]),
}
TASKS = {
    "classes": "classification",
    "values": "regression",
    "positions": "classification",
    "shifted": "classification",
}

Write = Callable[[Path], Path | Sequence[Path]]


@dataclass(frozen=True)
class Form:
    """what: as a reader of the documentation would say it. gives: a key of EXPECTED, or "" where it is refused.
    says: words of what was understood, of a finding, or of the refusal. within: the relative error that rounding makes.
    """

    by: str
    what: str
    write: Write
    gives: str
    says: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    within: float = 1e-5


def npz(**arrays: Any) -> Write:
    def write(folder: Path) -> Path:
        np.savez(folder / "predictions.npz", **arrays)
        return folder / "predictions.npz"

    return write


def npy(**arrays: Any) -> Write:
    def write(folder: Path) -> list[Path]:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        return [folder / f"{name}.npy" for name in arrays]

    return write


def text(columns: Mapping[str, Any], sep: str = ",", decimal: str = ".", header: bool = True) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=sep, lineterminator="\n")
    if header:
        writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        cells = [str(cell) for cell in row]
        numeric = [isinstance(cell, float | np.floating) for cell in row]
        writer.writerow([c.replace(".", decimal) if n else c for c, n in zip(cells, numeric, strict=True)])
    return stream.getvalue()


def table(columns: Mapping[str, Any], name: str = "predictions.csv", encoding: str = "utf-8", **style: Any) -> Write:
    def write(folder: Path) -> Path:
        content = text(columns, **style).encode(encoding)
        compress = {".gz": gzip.compress, ".bz2": bz2.compress}.get(Path(name).suffix, bytes)
        if name.endswith(".zst"):
            content = pa.compress(content, "zstd", asbytes=True)
        (folder / name).write_bytes(compress(content))
        return folder / name

    return write


def both(*writes: Write) -> Write:
    def write(folder: Path) -> list[Path]:
        return [path for one in writes for path in np.atleast_1d(one(folder))]

    return write


def lines(records: Sequence[Mapping[str, Any]], name: str = "predictions.jsonl") -> Write:
    def write(folder: Path) -> Path:
        content = "".join(json.dumps(record) + "\n" for record in records).encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return folder / name

    return write


def document(content: Any) -> Write:
    def write(folder: Path) -> Path:
        (folder / "predictions.json").write_text(json.dumps(content))
        return folder / "predictions.json"

    return write


def arrow(columns: Mapping[str, Any], name: str = "predictions.parquet") -> Write:
    def write(folder: Path) -> Path:
        made = pa.table(dict(columns))
        if name.endswith(".parquet"):
            pa.parquet.write_table(made, folder / name)
        elif name.endswith(".feather"):
            pa.feather.write_feather(made, str(folder / name))
        else:
            with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, made.schema) as writer:
                writer.write_table(made)
        return folder / name

    return write


def excel(columns: Mapping[str, Any]) -> Write:
    def write(folder: Path) -> Path:
        import openpyxl

        book = openpyxl.Workbook()
        book.active.append(list(columns))
        for row in zip(*columns.values(), strict=True):
            book.active.append([cell.item() if isinstance(cell, np.generic) else cell for cell in row])
        book.save(folder / "predictions.xlsx")
        return folder / "predictions.xlsx"

    return write


def saved(content: Any, name: str = "predictions.pt") -> Write:
    def write(folder: Path) -> Path:
        torch.save(content, folder / name)
        return folder / name

    return write


def tensors(**arrays: Any) -> Write:
    def write(folder: Path) -> Path:
        safetensors.numpy.save_file(arrays, folder / "predictions.safetensors")
        return folder / "predictions.safetensors"

    return write


def raw(name: str, content: bytes) -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def columns(matrix: np.ndarray, *names: str) -> dict[str, np.ndarray]:
    return {name: matrix[:, k] for k, name in enumerate(names)}


def padded() -> Write:
    """As Trainer.predict pads sequences of other lengths."""
    logits, labels = TOKEN_LOGITS.copy(), TOKENS.copy()
    logits = np.concatenate([logits, np.full((len(logits), 2, C), -100, np.float32)], axis=1)
    return npz(predictions=logits, label_ids=np.concatenate([labels, np.full((len(labels), 2), -100)], axis=1))


def padding_kept() -> Write:
    logits = np.concatenate([LOGITS, np.full((5, C), -100, np.float32)])
    return npz(predictions=logits, label_ids=np.concatenate([LABELS, np.zeros(5, int)]))


def with_nan() -> Write:
    logits = np.concatenate([LOGITS, np.full((2, C), np.nan, np.float32)])
    return npz(logits=logits, labels=np.concatenate([LABELS, [0, 1]]))


def ignored(value: int) -> Write:
    return npz(logits=np.concatenate([LOGITS, LOGITS[:9]]), labels=np.concatenate([LABELS, np.full(9, value)]))


P_COLUMNS = columns(PROBS, "p_0", "p_1", "p_2")
NAMED = columns(PROBS, *NAMES)
NUMPY, PANDAS, SKLEARN, KAGGLE = "NumPy", "pandas", "scikit-learn", "Kaggle"
TORCH, TRAINER, KERAS, JSON_LINES, LM = "PyTorch", "Transformers", "Keras", "JSON lines", "language models"
OTHERS = "other programs"

FORMS = [
    Form(NUMPY, "`.npz` of logits and class indices", npz(logits=LOGITS, labels=LABELS), "classes"),
    Form(NUMPY, "`.npz` of probabilities", npz(probs=PROBS, labels=LABELS), "classes", "probabilities from"),
    Form(NUMPY, "`.npz` of log-probabilities", npz(log_probs=LOG_PROBS, labels=LABELS), "classes", "log-probabilities"),
    Form(NUMPY, "two `.npy`, named", npy(labels=LABELS, logits=LOGITS), "classes"),
    Form(NUMPY, "two `.npy` of any name", npy(a=LABELS, b=LOGITS), "classes"),
    Form(NUMPY, "`.npz` of `predictions` and `ground_truth`", npz(predictions=PROBS, ground_truth=LABELS), "classes"),
    Form(NUMPY, "targets of shape (N, 1)", npz(logits=LOGITS, labels=LABELS[:, None]), "classes"),
    Form(NUMPY, "one-hot targets", npz(logits=LOGITS, labels=np.eye(C)[LABELS]), "classes", "one-hot"),
    Form(NUMPY, "class indices as float", npz(logits=LOGITS, labels=LABELS.astype(np.float32)), "classes"),
    Form(NUMPY, "targets as boolean", npz(y_score=P, y_true=YES.astype(bool)), "binary"),
    Form(NUMPY, "targets of -1 and 1", npz(y_score=P, y_true=2 * YES - 1), "binary", "-1 for no"),
    Form(NUMPY, "logits of one output", npz(logits=scipy.special.logit(P), labels=YES), "binary"),
    Form(NUMPY, "two columns, (N, 2)", npz(probs=np.stack([1 - P, P], 1), labels=YES), "binary", "2 classes"),
    Form(NUMPY, "several labels for each sample", npz(probs=MANY, labels=TAGS), "multilabel"),
    Form(NUMPY, "soft targets", npz(logits=LOGITS, soft_labels=SOFT), "soft"),
    Form(NUMPY, "soft targets of two decimals", npz(logits=LOGITS, soft_labels=SOFT.round(2)), "soft", within=0.01),
    Form(
        NUMPY,
        "soft targets of two decimals, called labels",
        npz(logits=LOGITS, labels=SOFT.round(2)),
        "soft",
        within=0.01,
    ),
    Form(
        NUMPY, "soft targets of sum 0.9", npz(logits=LOGITS, soft_labels=0.9 * SOFT), "soft, of 0.9", "do not sum to 1"
    ),
    Form(NUMPY, "regression", npz(y_pred=PREDICTED, y_true=ACTUAL), "values"),
    Form(NUMPY, "regression, (N, 1) against (N,)", npz(y_pred=PREDICTED[:, None], y_true=ACTUAL), "values"),
    Form(
        NUMPY,
        "bfloat16, which NumPy stores as void",
        npz(logits=LOGITS.astype(ml_dtypes.bfloat16).view("V2"), labels=LABELS),
        "classes",
        "bfloat16",
        within=0.02,
    ),
    Form(NUMPY, "float16", npz(probs=PROBS.astype(np.float16), labels=LABELS), "classes", within=0.01),
    Form(
        NUMPY, "column order, big-endian", npz(logits=np.asfortranarray(LOGITS.astype(">f4")), labels=LABELS), "classes"
    ),
    Form(
        NUMPY,
        "probabilities of two decimals",
        npz(probs=np.maximum(PROBS, 0.01).round(2), labels=LABELS),
        "classes",
        within=0.05,
    ),
    Form(NUMPY, "probabilities times 0.9", npz(probs=PROBS * 0.9, labels=LABELS), "classes", "do not sum to 1"),
    Form(NUMPY, "probabilities in percent", npz(probs=PROBS * 100, labels=LABELS), "classes", "in percent"),
    Form(NUMPY, "probabilities of yes in percent", npz(prob=P * 100, label=YES), "binary", "in percent"),
    Form(
        NUMPY,
        "sigmoid scores of competing classes",
        npz(probs=PROBS / PROBS.max(1, keepdims=True), labels=LABELS),
        "classes",
        "do not sum to 1",
    ),
    Form(
        NUMPY,
        "the same without a telling name",
        npz(predictions=PROBS * 0.7, labels=LABELS),
        "classes",
        "do not sum to 1",
    ),
    Form(
        NUMPY,
        "words as targets, with `class_names`",
        npz(probs=PROBS[:, ::-1], labels=WORDS, class_names=np.array(NAMES[::-1])),
        "classes",
        "matched with the names",
    ),
    Form(
        NUMPY,
        "words as targets, in the order of scikit-learn",
        npz(probs=PROBS, labels=WORDS),
        "classes",
        "--names ant,bee,cat",
    ),
    Form(NUMPY, "bytes as targets", npz(probs=PROBS, labels=WORDS.astype("S")), "classes", "--names ant,bee,cat"),
    Form(NUMPY, "digits as text", npz(probs=PROBS, labels=LABELS.astype(str)), "classes"),
    Form(NUMPY, "rows that overflow or are NaN", with_nan(), "classes", "2 of 122 rows are NaN or infinite"),
    Form(NUMPY, "labels from 1", npz(logits=LOGITS, labels=LABELS + 1), "", "--names 1,2,3"),
    Form(
        NUMPY,
        "labels from 1, with `--names`",
        npz(logits=LOGITS, labels=LABELS + 1),
        "classes",
        options={"names": ["1", "2", "3"]},
    ),
    Form(NUMPY, "rows marked 255", ignored(255), "", "--ignore-index 255"),
    Form(NUMPY, "rows marked 255, with `--ignore-index`", ignored(255), "classes", options={"ignore_index": 255}),
    Form(NUMPY, "rows marked -1", ignored(-1), "", "--ignore-index -1"),
    Form(
        NUMPY,
        "a mask of 0 and 255",
        npz(probs=P.reshape(4, 5, 6), mask=(YES * 255).astype(np.uint8).reshape(4, 5, 6)),
        "binary",
        "mask of 0 and 255",
    ),
    Form(
        NUMPY,
        "a mask of 0 and 255 beside two channels",
        npz(logits=np.stack([1 - P, P], 1), labels=YES * 255),
        "",
        "--names 0,255",
    ),
    Form(
        NUMPY,
        "the same with `--names`",
        npz(probs=np.stack([1 - P, P], 1), labels=YES * 255),
        "binary",
        options={"names": ["0", "255"]},
    ),
    Form(
        NUMPY,
        "segmentation, (B, C, H, W)",
        npz(logits=LOGITS.reshape(4, 5, 6, C).transpose(0, 3, 1, 2), labels=LABELS.reshape(4, 5, 6)),
        "classes",
    ),
    Form(NUMPY, "argmax ids", npz(y_pred=LABELS, y_true=LABELS), "", "decisions"),
    Form(
        NUMPY,
        "lists of other lengths, dtype object",
        npz(logits=np.array([[1.0], [1.0, 2.0]], object), labels=[0, 1]),
        "",
        "pickle",
    ),
    Form(
        NUMPY,
        "training and test data in one file",
        npz(train_logits=LOGITS, train_labels=LABELS, test_logits=LOGITS, test_labels=LABELS),
        "",
        "test and train",
    ),
    Form(
        NUMPY,
        "the same with `--pred-key`",
        npz(train_logits=-LOGITS, train_labels=LABELS, test_logits=LOGITS, test_labels=LABELS),
        "classes",
        options={"prediction_key": "test_logits"},
    ),
    Form(
        NUMPY,
        "two files with predictions and targets each",
        both(npz(logits=LOGITS, labels=LABELS), tensors(logits=LOGITS, labels=LABELS)),
        "classes",
        "A and B have the same loss",
    ),
    Form(
        NUMPY,
        "`savetxt`, two files without a header",
        both(
            raw("probs.csv", "\n".join(",".join(map(repr, row)) for row in PROBS.tolist()).encode()),
            raw("labels.csv", "\n".join(f"{y:.18e}" for y in LABELS).encode()),
        ),
        "classes",
    ),
    Form(
        NUMPY,
        "`savetxt`, scores and label in one file",
        raw("a.csv", b"0.1,0.9,1\n0.2,0.8,1\n"),
        "",
        "not column names",
    ),
    Form(NUMPY, "a dictionary or another pickle", raw("predictions.pkl", pickle.dumps([1])), "", "pickle"),
    Form(PANDAS, "CSV of `p_0, p_1, p_2, label`", table({**P_COLUMNS, "label": LABELS}), "classes"),
    Form(PANDAS, "with the index", table({"": range(N), **P_COLUMNS, "label": LABELS}), "classes"),
    Form(
        PANDAS,
        "`;` and decimal commas",
        table({**P_COLUMNS, "label": LABELS}, sep=";", decimal=","),
        "classes",
        "decimal commas",
    ),
    Form(PANDAS, "tabs", table({**P_COLUMNS, "label": LABELS}, "predictions.tsv", sep="\t"), "classes"),
    Form(
        PANDAS, "UTF-8 with a byte order mark", table({**P_COLUMNS, "label": LABELS}, encoding="utf-8-sig"), "classes"
    ),
    Form(PANDAS, "UTF-16", table({**P_COLUMNS, "label": LABELS}, encoding="utf-16"), "classes"),
    Form(
        PANDAS,
        "GBK",
        table(
            {**columns(PROBS, "概率_猫", "概率_狗", "概率_鸟"), "标签": np.array(["猫", "狗", "鸟"])[LABELS]},
            encoding="gbk",
        ),
        "classes",
        "gb18030",
    ),
    Form(
        PANDAS,
        "Windows-1252",
        table(
            {**columns(PROBS, "p_Bär", "p_Kuh", "p_Löwe"), "label": np.array(["Bär", "Kuh", "Löwe"])[LABELS]},
            encoding="cp1252",
        ),
        "classes",
        "cp1252",
    ),
    Form(PANDAS, "`.csv.gz`", table({**P_COLUMNS, "label": LABELS}, "predictions.csv.gz"), "classes"),
    Form(PANDAS, "`.csv.zst`", table({**P_COLUMNS, "label": LABELS}, "predictions.csv.zst"), "classes"),
    Form(PANDAS, "`.csv.bz2`", table({**P_COLUMNS, "label": LABELS}, "predictions.csv.bz2"), "classes"),
    Form(PANDAS, "labels that became float", table({**P_COLUMNS, "label": LABELS.astype(float)}), "classes"),
    Form(PANDAS, "lists in cells", table({"probs": PROBS.tolist(), "label": LABELS}), "classes"),
    Form(
        PANDAS,
        "arrays in cells, as NumPy prints them",
        table({"probs": [str(row) for row in PROBS], "label": LABELS}),
        "classes",
        within=1e-4,
    ),
    Form(PANDAS, "parquet with columns", arrow({**P_COLUMNS, "label": LABELS}), "classes"),
    Form(PANDAS, "parquet with lists", arrow({"probs": PROBS.tolist(), "label": LABELS}), "classes"),
    Form(
        PANDAS,
        "parquet with categories as targets",
        arrow({**NAMED, "label": pa.array(WORDS).dictionary_encode()}),
        "classes",
    ),
    Form(PANDAS, "parquet with booleans", arrow({"prob": P, "label": YES.astype(bool)}), "binary"),
    Form(PANDAS, "feather", arrow({**P_COLUMNS, "label": LABELS}, "predictions.feather"), "classes"),
    Form(PANDAS, "Excel", excel({**P_COLUMNS, "label": LABELS}), "classes"),
    Form(
        PANDAS,
        "`to_json(orient='records')`",
        document([{"probs": p, "label": int(y)} for p, y in zip(PROBS.tolist(), LABELS, strict=True)]),
        "classes",
    ),
    Form(
        PANDAS,
        "`to_json()`",
        document(
            {
                k: {str(i): x for i, x in enumerate(np.array(v).tolist())}
                for k, v in {**P_COLUMNS, "label": LABELS}.items()
            }
        ),
        "classes",
    ),
    Form(PANDAS, "a column twice in the header", raw("a.csv", b"p_0,p_0,label\n0.2,0.8,1\n"), "", "'p_0' twice"),
    Form(
        PANDAS,
        "a column that says which rows are of training",
        table({**P_COLUMNS, "label": LABELS, "split": ["train", "test"] * (N // 2)}),
        "",
        "df[df.split == 'test']",
    ),
    Form(
        SKLEARN,
        "`DataFrame(predict_proba(X), columns=classes_)` and words",
        table({**NAMED, "target": WORDS}),
        "classes",
        "matched with the names",
    ),
    Form(
        SKLEARN,
        "the same with columns in another order",
        table({"target": WORDS, **columns(PROBS[:, ::-1], *NAMES[::-1])}),
        "classes",
    ),
    Form(SKLEARN, "columns `0, 1, 2`", table({**columns(PROBS, "0", "1", "2"), "y_true": LABELS}), "classes"),
    Form(
        SKLEARN,
        "columns `1, 2, 3` with labels from 1",
        table({**columns(PROBS, "1", "2", "3"), "y_true": LABELS + 1}),
        "classes",
        "names of the columns",
    ),
    Form(
        SKLEARN,
        "columns `0_prob, 1_prob, 2_prob`",
        table({**columns(PROBS, "0_prob", "1_prob", "2_prob"), "y": LABELS}),
        "classes",
    ),
    Form(
        SKLEARN,
        "columns `P(ant), P(bee), P(cat)`",
        table({**columns(PROBS, "P(ant)", "P(bee)", "P(cat)"), "label": WORDS}),
        "classes",
    ),
    Form(SKLEARN, "columns `True, False`", table({"True": P, "False": 1 - P, "label": YES.astype(bool)}), "binary"),
    Form(
        SKLEARN,
        "`y_true, y_pred, y_pred_proba`",
        table({"y_true": YES, "y_pred": (P > 0.5).astype(int), "y_pred_proba": P}),
        "binary",
        "'y_pred_proba'",
    ),
    Form(
        SKLEARN,
        "`true_label, pred_label` and scores",
        table(
            {
                "true_label": WORDS,
                "pred_label": np.array(NAMES)[PROBS.argmax(1)],
                **columns(PROBS, "prob_ant", "prob_bee", "prob_cat"),
            }
        ),
        "classes",
    ),
    Form(SKLEARN, "`True` and `False` as targets", table({"prob": P, "label": YES.astype(bool)}), "binary"),
    Form(
        SKLEARN,
        "`yes` and `no` as targets",
        table({"prob": P, "label": np.array(["no", "yes"])[YES]}),
        "binary",
        "'yes' is read as 1",
    ),
    Form(
        SKLEARN,
        "two words as targets",
        table({"prob": P, "label": np.array(["ham", "spam"])[YES]}),
        "binary",
        "'spam' is read as 1",
    ),
    Form(
        SKLEARN,
        "two words, with `--names`",
        table({"prob": 1 - P, "label": np.array(["ham", "spam"])[YES]}),
        "binary",
        options={"names": ["spam", "ham"]},
    ),
    Form(SKLEARN, "regression, `actual, predicted`", table({"actual": ACTUAL, "predicted": PREDICTED}), "values"),
    Form(
        SKLEARN,
        "columns of any name, with `--pred-key`",
        table({"a": PROBS[:, 0], "b": PROBS[:, 1], "c": PROBS[:, 2], "d": ACTUAL, "label": LABELS}),
        "classes",
        options={"prediction_key": "a,b,c"},
    ),
    Form(
        SKLEARN,
        "a pattern as `--pred-key`",
        table({**columns(-LOGITS, "x_0", "x_1", "x_2"), **columns(PROBS, "rf_0", "rf_1", "rf_2"), "label": LABELS}),
        "classes",
        options={"prediction_key": "rf_*"},
    ),
    Form(SKLEARN, "decisions alone", table({"y_true": WORDS, "y_pred": WORDS}), "", "decisions"),
    Form(
        SKLEARN,
        "the confidence in the decision",
        table({"label": YES, "pred_label": (P > 0.5).astype(int), "score": np.maximum(P, 1 - P)}),
        "",
        "confidence in a decision",
    ),
    Form(KAGGLE, "`isFraud, oof`", table({"isFraud": YES, "oof": P}), "binary"),
    Form(
        KAGGLE,
        "`submission.csv` and `solution.csv` of the same columns",
        both(
            table({"id": range(N), "target": P}, "submission.csv"),
            table({"id": ORDER, "target": YES[ORDER], "Usage": ["Public"] * N}, "solution.csv"),
        ),
        "binary",
        "joined by 'id'",
    ),
    Form(
        KAGGLE,
        "the same with several columns",
        both(
            table({"id": range(N), **columns(MANY, *NAMES)}, "submission.csv"),
            table({"id": ORDER, **columns(TAGS[ORDER], *NAMES)}, "solution.csv"),
        ),
        "multilabel",
    ),
    Form(
        KAGGLE,
        "scores and labels in two tables, in another order",
        both(
            table({"id": range(N), **P_COLUMNS}, "preds.csv"),
            table({"id": ORDER, "label": LABELS[ORDER]}, "labels.csv"),
        ),
        "classes",
        "joined by 'id'",
    ),
    Form(
        KAGGLE,
        "words as ids",
        both(
            table({"image_id": [f"{k}.png" for k in range(N)], **P_COLUMNS}, "preds.csv"),
            table({"image_id": [f"{k}.png" for k in ORDER], "label": LABELS[ORDER]}, "labels.csv"),
        ),
        "classes",
    ),
    Form(
        KAGGLE,
        "ids that do not agree",
        both(
            table({"id": range(N), **P_COLUMNS}, "preds.csv"),
            table({"id": range(7, N + 7), "label": LABELS}, "labels.csv"),
        ),
        "",
        "7 of 120 ids have no target",
    ),
    Form(
        KAGGLE,
        "an id that is there twice",
        both(
            table({"id": [0, *range(N - 1)], **P_COLUMNS}, "preds.csv"),
            table({"id": range(N), "label": LABELS}, "labels.csv"),
        ),
        "",
        "2 times",
    ),
    Form(TORCH, "`.pt` of a dict", saved({"logits": torch.tensor(LOGITS), "labels": torch.tensor(LABELS)}), "classes"),
    Form(
        TORCH,
        "`.pt` of a tuple, as fastai's `get_preds`",
        saved((torch.tensor(PROBS), torch.tensor(LABELS))),
        "classes",
    ),
    Form(
        TORCH,
        "two `.pt`",
        both(saved(torch.tensor(LOGITS), "logits.pt"), saved(torch.tensor(LABELS), "labels.pt")),
        "classes",
    ),
    Form(
        TORCH,
        "`.pt` in bfloat16",
        saved({"logits": torch.tensor(LOGITS).bfloat16(), "labels": torch.tensor(LABELS)}),
        "classes",
        "bfloat16",
        within=0.02,
    ),
    Form(TORCH, "`.pt` of NumPy arrays", saved({"logits": LOGITS, "labels": LABELS}), "", "more than tensors"),
    Form(TORCH, "`.safetensors`", tensors(logits=LOGITS, labels=LABELS), "classes"),
    Form(TRAINER, "`Trainer.predict`, padded with -100", padded(), "positions", "40 ignored"),
    Form(TRAINER, "padded rows whose labels were replaced", padding_kept(), "", "padding of Trainer.predict"),
    Form(
        TRAINER,
        "a causal language model, as saved",
        npz(logits=TOKEN_LOGITS, labels=TOKENS),
        "positions",
        "Not shifted",
    ),
    Form(
        TRAINER,
        "the same with `--shift-labels`",
        npz(logits=TOKEN_LOGITS, labels=TOKENS),
        "shifted",
        "Shifted",
        {"shift_labels": True},
    ),
    Form(
        TRAINER,
        "logits without the last position, `input_ids`",
        npz(logits=TOKEN_LOGITS[:, :-1], input_ids=TOKENS),
        "",
        "--shift-labels",
    ),
    Form(
        TRAINER,
        "the same with `--shift-labels`",
        npz(logits=TOKEN_LOGITS[:, :-1], input_ids=TOKENS),
        "shifted",
        options={"shift_labels": True},
    ),
    Form(
        TRAINER,
        "parquet of `datasets`, with fixed lists",
        arrow({"logits": pa.FixedSizeListArray.from_arrays(pa.array(LOGITS.ravel()), C), "label": LABELS}),
        "classes",
    ),
    Form(
        TRAINER,
        "`datasets` saved to disk, `.arrow`",
        arrow({"logits": list(LOGITS), "label": LABELS}, "predictions.arrow"),
        "classes",
    ),
    Form(KERAS, "`model.predict` of a sigmoid, (N, 1)", npz(predictions=P[:, None], y_test=YES), "binary"),
    Form(KERAS, "`model.predict` of a softmax", npz(y_pred=PROBS, y_test=np.eye(C)[LABELS]), "classes"),
    Form(KERAS, "`.h5`", raw("predictions.h5", b"\x89HDF\r\n"), "", "h5py"),
    Form(
        JSON_LINES,
        "lists",
        lines([{"logits": x, "label": int(y)} for x, y in zip(LOGITS.tolist(), LABELS, strict=True)]),
        "classes",
    ),
    Form(
        JSON_LINES,
        "compressed",
        lines(
            [{"logits": x, "label": int(y)} for x, y in zip(LOGITS.tolist(), LABELS, strict=True)],
            "predictions.jsonl.gz",
        ),
        "classes",
    ),
    Form(
        JSON_LINES,
        "an object of the classes",
        lines(
            [
                {"scores": dict(zip(NAMES, p, strict=True)), "label": str(y)}
                for p, y in zip(PROBS.tolist(), WORDS, strict=True)
            ]
        ),
        "classes",
        "matched with the names",
    ),
    Form(LM, "`token_logprobs`", lines([{"token_logprobs": [None, *row]} for row in TOKEN_LOG_PROBS]), "tokens"),
    Form(
        LM,
        "OpenAI, chat",
        lines(
            [
                {"choices": [{"logprobs": {"content": [{"token": "a", "logprob": x} for x in row]}}]}
                for row in TOKEN_LOG_PROBS
            ]
        ),
        "tokens",
        "for each token",
    ),
    Form(
        LM,
        "OpenAI, a batch of completions",
        lines(
            [{"response": {"body": {"choices": [{"logprobs": {"token_logprobs": row}}]}}} for row in TOKEN_LOG_PROBS]
        ),
        "tokens",
    ),
    Form(
        LM,
        "vLLM, `prompt_logprobs=0`",
        lines(
            [{"prompt_logprobs": [None, *({"7": {"logprob": x, "rank": 1}} for x in row)]} for row in TOKEN_LOG_PROBS]
        ),
        "tokens",
    ),
    Form(
        LM,
        "vLLM, `prompt_logprobs=1`",
        lines([{"prompt_logprobs": [None, {"7": {"logprob": -2.0}, "8": {"logprob": -0.1}}]}]),
        "",
        "prompt_logprobs=0",
    ),
    Form(
        LM,
        "lm-evaluation-harness, answers to choose from",
        lines(
            [
                {"doc_id": k, "target": str(y), "filtered_resps": [[str(x), "False"] for x in row]}
                for k, (row, y) in enumerate(zip(LOG_PROBS.tolist(), LABELS, strict=True))
            ]
        ),
        "classes",
    ),
    Form(
        LM,
        "lm-evaluation-harness, one continuation",
        lines([{"target": "a", "filtered_resps": [[str(x), "True"]]} for row in TOKEN_LOG_PROBS for x in row]),
        "",
        "targets are text",
    ),
    Form(
        OTHERS,
        "H2O, `predict, p0, p1`",
        table({"predict": (P > 0.5).astype(int), "p0": 1 - P, "p1": P, "label": YES}),
        "binary",
    ),
    Form(
        OTHERS,
        "tidymodels, `.pred_ant, ..., .pred_class, truth`",
        table({**columns(PROBS, ".pred_ant", ".pred_bee", ".pred_cat"), ".pred_class": WORDS, "truth": WORDS}),
        "classes",
    ),
    Form(
        OTHERS,
        "Azure, `Scored Probabilities, Scored Labels`",
        table({"Scored Labels": (P > 0.5).astype(int), "Scored Probabilities": P, "y": YES}),
        "binary",
    ),
    Form(
        OTHERS,
        "Spark, a vector as struct",
        arrow(
            {
                "probability": pa.StructArray.from_arrays([pa.array(PROBS.tolist())], ["values"]),
                "prediction": PROBS.argmax(1).astype(float),
                "label": LABELS.astype(float),
            }
        ),
        "classes",
    ),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.by}: {form.what}")
def test_forms(tmp_path: Path, form: Form) -> None:
    paths = form.write(tmp_path)
    if not form.gives and "padding" not in form.says:
        with pytest.raises(BadInput) as caught:
            report(paths, **form.options)
        assert form.says in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.fix
        return
    result = report(paths, **form.options)
    found = [result.understanding.text, result.lead, *(finding.text for _, finding in result.findings)]
    assert any(form.says in sentence for sentence in found), found
    if form.gives:
        compared = isinstance(result, Comparison)
        loss = result["difference"].values["a"] if compared else next(iter(result["losses"].values.values()))["mean"]
        assert loss == pytest.approx(EXPECTED[form.gives], rel=form.within)


def test_numbered_columns_come_in_numeric_order_beyond_ten(tmp_path: Path) -> None:
    scores = np.random.default_rng(5).normal(size=(60, 12))
    labels = np.arange(60) % 12
    order = np.random.default_rng(6).permutation(12)
    path = table({**{f"logit_{k}": scores[:, k] for k in order}, "label": labels})(tmp_path)
    loss = report(path)["losses"].values["cross_entropy"]["mean"]
    assert loss == pytest.approx(picked(scipy.special.log_softmax(scores, axis=1), labels))


@pytest.mark.parametrize("as_table", [False, True])
@pytest.mark.parametrize("two_columns", [False, True])
def test_a_probability_of_0_has_one_answer(tmp_path: Path, two_columns: bool, as_table: bool) -> None:
    p = np.where(np.arange(N) == np.argmax(YES), 0.0, P)
    both_columns = np.stack([1 - p, p], axis=1)
    scores: dict[str, Any] = {"probs": both_columns if two_columns else p}
    if as_table:
        scores = columns(both_columns, "prob_0", "prob_1") if two_columns else {"prob": p}
    write = table({**scores, "label": YES}) if as_table else npz(**scores, label=YES)
    result = report(write(tmp_path))
    (error,) = [finding.text for _, finding in result.findings if finding.severity == "error"]
    assert "infinite: 1 of 120 samples give their target the probability 0" in error
