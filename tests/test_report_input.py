"""What the report reads: all formats give the same numbers, and what cannot be used is refused in one clear line."""

import csv
import gzip
import io
import json
import os
import pickle
import sys
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from lossary.reports import BadInput, MissingExtra, report

pytestmark = pytest.mark.usefixtures("on_the_command_line")
N, C = 120, 4
NAMES = ["ant", "bee", "cat", "dog"]


@pytest.fixture(autouse=True)
def without_pandas(monkeypatch):
    """The extra `files` does not install pandas, and pyarrow imports it in silence."""

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "pandas":
                raise ModuleNotFoundError("No module named 'pandas'", name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == "pandas"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])


@pytest.fixture(scope="module")
def logits():
    return (np.random.default_rng(3).normal(size=(N, C)) * 2).astype(np.float32)


@pytest.fixture(scope="module")
def labels(logits):
    return np.random.default_rng(4).integers(0, C, N)


@pytest.fixture(scope="module")
def expected(logits, labels, tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "plain.npz"
    np.savez(path, logits=logits, labels=labels)
    return values(report(path))


def values(result):
    return {section.id: section.values for section in result.results}


def write_csv(path, header, rows, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)


def table_rows(logits, labels):
    return [[*(repr(float(x)) for x in row), label] for row, label in zip(logits, labels, strict=True)]


class TestFormats:
    def test_npz_compressed(self, tmp_path, logits, labels, expected):
        np.savez_compressed(tmp_path / "a.npz", logits=logits, labels=labels)
        assert values(report(tmp_path / "a.npz")) == expected

    @pytest.mark.parametrize("names", [("logits", "labels"), ("val_out", "val_y"), ("b", "a")])
    def test_npy_pair_in_either_order_of_names(self, tmp_path, logits, labels, expected, names):
        paths = [tmp_path / f"{name}.npy" for name in names]
        for path, array in zip(paths, (logits, labels), strict=True):
            np.save(path, array)
        assert values(report(paths)) == expected
        if names[0] == "logits":
            assert values(report(paths[::-1])) == expected

    def test_npy_in_column_order_and_of_other_byte_order(self, tmp_path, logits, labels, expected):
        np.save(tmp_path / "logits.npy", np.asfortranarray(logits.astype(">f4")))
        np.save(tmp_path / "labels.npy", labels.astype(">i2"))
        assert values(report([tmp_path / "logits.npy", tmp_path / "labels.npy"])) == expected

    def test_safetensors_as_the_safetensors_package_writes_it(self, tmp_path, logits, labels, expected):
        safetensors.numpy.save_file(
            {"logits": logits, "labels": labels}, tmp_path / "a.safetensors", metadata={"made by": "hand"}
        )
        assert values(report(tmp_path / "a.safetensors")) == expected

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_csv(self, tmp_path, logits, labels, expected, delimiter):
        write_csv(tmp_path / "a.csv", ["p_0", "p_1", "p_2", "p_3", "label"], table_rows(logits, labels), delimiter)
        assert values(report(tmp_path / "a.csv")) == expected

    def test_numbered_columns_come_in_numeric_order(self, tmp_path, logits, labels, expected):
        order = [2, 0, 3, 1]
        header = [f"logit_{k}" for k in order]
        write_csv(tmp_path / "a.csv", [*header, "target"], table_rows(logits[:, order], labels))
        assert values(report(tmp_path / "a.csv")) == expected

    def test_csv_with_class_names_in_columns_and_targets(self, tmp_path, logits, labels, expected):
        header = ["file", *(f"logit_{name}" for name in NAMES), "label"]
        rows = [[f"{i}.png", *row[:-1], NAMES[row[-1]]] for i, row in enumerate(table_rows(logits, labels))]
        write_csv(tmp_path / "a.csv", header, rows)
        result = report(tmp_path / "a.csv")
        assert result.understanding.names == tuple(NAMES)
        assert values(result)["losses"] == expected["losses"]

    def test_parquet_with_columns_or_lists(self, tmp_path, logits, labels, expected):
        columns = {f"logits_{k}": logits[:, k] for k in range(C)}
        pq.write_table(pa.table({**columns, "labels": labels}), tmp_path / "a.parquet", row_group_size=50)
        assert values(report(tmp_path / "a.parquet")) == expected
        lists = pa.table({"logits": list(logits), "labels": labels})
        pq.write_table(lists, tmp_path / "b.parquet", row_group_size=33)
        assert values(report(tmp_path / "b.parquet")) == expected

    @pytest.mark.parametrize(
        "kind",
        [pa.timestamp("us", tz="UTC"), pa.date32(), pa.time64("us"), pa.bool_(), pa.list_(pa.string()), pa.null()],
    )
    def test_parquet_beside_a_column_of_another_type(self, tmp_path, logits, labels, expected, kind):
        beside = pa.nulls(N, kind)
        pq.write_table(pa.table({"logits": list(logits), "labels": labels, "seen": beside}), tmp_path / "a.parquet")
        assert values(report(tmp_path / "a.parquet")) == expected

    def test_bfloat16(self, tmp_path, logits, labels):
        halved = logits.astype(ml_dtypes.bfloat16)
        np.savez(tmp_path / "plain.npz", logits=halved.astype(np.float32), labels=labels)
        np.savez(tmp_path / "void.npz", logits=halved.view("V2"), labels=labels)
        tensors = {"logits": torch.from_numpy(logits).bfloat16(), "labels": torch.from_numpy(labels)}
        safetensors.torch.save_file(tensors, tmp_path / "half.safetensors")
        plain = values(report(tmp_path / "plain.npz"))
        void = report(tmp_path / "void.npz")
        assert "bfloat16" in void.understanding.text
        assert values(void) == plain
        assert values(report(tmp_path / "half.safetensors")) == plain


class TestKeys:
    @pytest.mark.parametrize(
        ("predictions", "targets"),
        [
            ("logits", "labels"),
            ("y_pred", "y_true"),
            ("Predictions", "label_ids"),
            ("my-logits", "my-labels"),
            ("a", "b"),
        ],
    )
    def test_usual_names_are_found_among_other_arrays(self, tmp_path, logits, labels, expected, predictions, targets):
        others = {} if predictions == "a" else {"features": logits, "epoch": np.array(3)}
        np.savez(tmp_path / "a.npz", **{targets: labels, predictions: logits}, **others)
        assert values(report(tmp_path / "a.npz")) == expected

    def test_given_keys_outrank_names(self, tmp_path, logits, labels, expected):
        np.savez(tmp_path / "a.npz", logits=-logits, labels=(labels + 1) % C, teacher=logits, gold=labels)
        result = report(tmp_path / "a.npz", prediction_key="teacher", target_key="gold")
        assert values(result) == expected

    def test_names_ids_and_guesses_can_be_overruled(self, tmp_path):
        scores, targets = np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([[0, 1], [1, 0]])
        np.savez(tmp_path / "a.npz", outputs=scores, y=targets)
        assert report(tmp_path / "a.npz").understanding.task == "classification"
        for task in ("soft", "multilabel", "binary", "regression"):
            assert report(tmp_path / "a.npz", task=task).understanding.task == task
        assert report(tmp_path / "a.npz", kind="logits").understanding.kind == "logits"

    def test_a_regression_target_equal_to_the_ignored_index_counts(self, tmp_path):
        np.savez(tmp_path / "a.npz", y_pred=np.array([1.5, -99.0, 3.0]), y_true=np.array([1.0, -100.0, 2.5]))
        assert report(tmp_path / "a.npz").understanding.units == 3


def bad(tmp_path, arrays, **options):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(BadInput) as caught:
        report(path, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
    return caught.value


def with_value(array, place, value):
    changed = np.array(array, dtype=float)
    changed[place] = value
    return changed


class TestValuesThatCannotBeUsed:
    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
    def test_rows_that_are_not_numbers_do_not_count(self, tmp_path, logits, labels, value, monkeypatch):
        monkeypatch.setattr("lossary.reports.frame.BLOCK", 40)
        broken = np.array(logits, float)
        broken[17, 2] = broken[93] = value
        np.savez(tmp_path / "broken.npz", logits=broken, labels=labels)
        rest = np.delete(np.arange(N), [17, 93])
        np.savez(tmp_path / "rest.npz", logits=np.array(logits, float)[rest], labels=labels[rest])
        result = report(tmp_path / "broken.npz")
        (finding,) = result["reading"].findings
        assert finding.text == "2 of 120 rows are NaN or infinite in float32 and do not count, the first at row 17."
        assert result.exit_code() == 1
        assert result.understanding.units == N - 2
        loss = report(tmp_path / "rest.npz")["losses"].values["cross_entropy"]
        assert result["losses"].values["cross_entropy"] == pytest.approx(loss)

    @pytest.mark.parametrize("where", ["y_pred", "y_true"])
    def test_values_that_are_not_numbers_do_not_count(self, tmp_path, where):
        arrays = {"y_pred": np.arange(12.0).reshape(4, 3), "y_true": np.arange(12.0).reshape(4, 3) + 1}
        arrays[where][2, 1] = np.nan
        np.savez(tmp_path / "a.npz", **arrays)
        result = report(tmp_path / "a.npz")
        assert "1 of 4 values are NaN or infinite" in result["reading"].findings[0].text.replace("rows", "values")
        assert result.understanding.units == 11
        assert result["losses"].values["mse_loss"]["mean"] == 1

    def test_nothing_but_nan(self, tmp_path, labels):
        error = bad(tmp_path, {"logits": np.full((N, C), np.nan), "labels": labels})
        assert "not one prediction that is finite" in str(error)

    def test_infinities(self, tmp_path, logits, labels):
        assert "ruled out" in str(bad(tmp_path, {"logits": with_value(logits, 5, -np.inf), "labels": labels}))
        assert "row 3" in str(bad(tmp_path, {"y_pred": with_value(np.ones(9), 3, -np.inf), "y": np.arange(9)}))

    @pytest.mark.parametrize(
        ("value", "fix"), [(4, "predictions have 4 columns"), (-1, "--ignore-index -1"), (None, "subtract 1")]
    )
    def test_labels_out_of_range(self, tmp_path, logits, labels, value, fix):
        wrong = labels + 1 if value is None else with_value(labels, 31, value).astype(int)
        error = bad(tmp_path, {"logits": logits, "labels": wrong})
        assert error.key == "labels"
        assert fix in error.fix
        assert error.position == f"row {31 if value is not None else int(np.argmax(wrong == 4))}"

    def test_labels_that_are_no_indices(self, tmp_path, logits, labels):
        error = bad(tmp_path, {"logits": logits, "labels": with_value(labels, 3, 1.5)})
        assert "row 3: 1.5 is not a class index" in str(error)

    def test_position_in_a_sequence(self, tmp_path):
        error = bad(tmp_path, {"logits": np.zeros((2, 3, 5)), "labels": np.array([[0, 1, 2], [3, 4, 5]])})
        assert error.position == "row 1, position (1, 2)"

    @pytest.mark.parametrize(
        "shapes", [((9, 4), (8,)), ((9, 4), (9, 3)), ((9,), (9, 2)), ((2, 3, 4), (2, 4, 5)), ((0, 4), (0,)), ((), ())]
    )
    def test_shapes_that_do_not_fit(self, tmp_path, shapes):
        error = bad(tmp_path, {"logits": np.zeros(shapes[0]), "labels": np.zeros(shapes[1], int)})
        assert error.key in ("logits", "labels")

    def test_types(self, tmp_path, logits, labels):
        ragged = np.array([[1.0], [1.0, 2.0]], dtype=object)
        assert "pickle" in str(bad(tmp_path, {"logits": ragged, "labels": labels[:2]}))
        assert "complex" in str(bad(tmp_path, {"logits": logits * 1j, "labels": labels}))
        assert "--names" in str(bad(tmp_path, {"logits": logits, "labels": np.array([*NAMES, "emu"] * 24)}))
        error = bad(tmp_path, {"logits": logits, "labels": np.array([*NAMES, "emu"] * 24)}, names=NAMES)
        assert "'emu' is not a class name" in str(error)
        assert error.position == "row 4"

    def test_options_that_do_not_fit(self, tmp_path, logits, labels):
        arrays = {"logits": logits, "labels": labels}
        for kind in ("scores", "values", "probs", "logprobs"):
            bad(tmp_path, arrays, kind=kind)
        bad(tmp_path, arrays, task="binary")
        assert "3 class names for 4 classes" in str(bad(tmp_path, arrays, names=["a", "b", "c"]))
        assert "one of logits (120, 4), labels (120,)" in bad(tmp_path, arrays, prediction_key="nothing").fix

    def test_keys_that_cannot_be_guessed(self, tmp_path, logits, labels):
        error = bad(tmp_path, {"a": logits, "b": logits, "c": labels})
        assert error.fix == "--pred-key and --target-key from a (120, 4), b (120, 4), c (120,)"
        assert "both files" in bad(tmp_path, {"logits": logits}).fix


def refused(*paths):
    with pytest.raises(BadInput) as caught:
        report(list(paths))
    assert str(paths[0].name) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SUFFIXES = ["npz", "npy", "safetensors", "csv", "parquet", "jsonl", "feather", "xlsx"]


class TestFilesThatCannotBeRead:
    def test_missing_empty_and_of_no_known_kind(self, tmp_path):
        assert "cannot be read" in refused(tmp_path / "absent.npz")
        for suffix in ("npz", "npy", "safetensors", "csv", "parquet"):
            (tmp_path / f"empty.{suffix}").touch()
            assert "empty" in refused(tmp_path / f"empty.{suffix}")
        (tmp_path / "a.h5").write_text("{}")
        assert "'.h5'" in refused(tmp_path / "a.h5")
        (tmp_path / "folder.npz").mkdir()
        assert "not a regular file" in refused(tmp_path / "folder.npz")
        assert "not a regular file" in refused(Path("/dev/zero"))
        os.mkfifo(tmp_path / "pipe.npz")
        assert "not a regular file" in refused(tmp_path / "pipe.npz")

    def test_pickles_are_never_opened(self, tmp_path, logits, labels):
        class Trap:
            def __reduce__(self):
                return pytest.fail, ("unpickled",)

        torch.save({"logits": torch.zeros(2), "trap": Trap()}, tmp_path / "a.pt")
        assert "more than tensors" in refused(tmp_path / "a.pt")
        torch.save({"trap": Trap()}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
        assert "more than tensors" in refused(tmp_path / "old.pt")
        (tmp_path / "a.pt").rename(tmp_path / "torch.npz")
        assert "PyTorch" in refused(tmp_path / "torch.npz")
        (tmp_path / "a.npy").write_bytes(pickle.dumps(Trap()))
        assert "pickle" in refused(tmp_path / "a.npy")
        np.save(tmp_path / "logits.npy", np.array([Trap()], dtype=object), allow_pickle=True)
        np.save(tmp_path / "labels.npy", labels)
        assert "pickle" in refused(tmp_path / "logits.npy", tmp_path / "labels.npy")

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_truncated(self, tmp_path, logits, labels, suffix):
        whole = complete_file(tmp_path, logits, labels, suffix)
        content = whole.read_bytes()
        np.save(tmp_path / "labels.npy", labels)
        for share in (0.02, 0.3, 0.77, 0.99):
            whole.write_bytes(content[: int(len(content) * share)])
            refused(whole, *([tmp_path / "labels.npy"] if suffix == "npy" else []))

    def test_truncation_says_after_which_row(self, tmp_path, logits, labels):
        path = complete_file(tmp_path, logits, labels, "npy")
        path.write_bytes(path.read_bytes()[: 128 + 50 * 16 + 3])
        np.save(tmp_path / "labels.npy", labels)
        assert "after row 49: truncated: 120 rows promised, 50 are there" in refused(path, tmp_path / "labels.npy")

    @pytest.mark.parametrize("suffix", [*SUFFIXES, "pt"])
    def test_damaged_bytes_give_a_report_or_one_clear_line(self, tmp_path, logits, labels, suffix):
        path = complete_file(tmp_path, logits, labels, suffix)
        content = np.frombuffer(path.read_bytes(), np.uint8)
        np.save(tmp_path / "labels.npy", labels)
        rng = np.random.default_rng(0)
        ends = np.r_[0:200, content.size - 200 : content.size]
        for _ in range(20):
            damaged = content.copy()
            where = rng.choice(ends if rng.random() < 0.8 else content.size, size=rng.integers(1, 4))
            damaged[where] = rng.integers(0, 256, where.size)
            path.write_bytes(damaged.tobytes())
            try:
                report([path, tmp_path / "labels.npy"] if suffix == "npy" else path)
            except BadInput as error:
                assert "\n" not in str(error)

    def test_npz_that_lies_about_its_size(self, tmp_path):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 10)})
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("logits.npy", header.getvalue())
            archive.writestr("labels.npy", header.getvalue())
        assert "truncated" in refused(tmp_path / "a.npz")

    def test_safetensors_whose_header_does_not_fit(self, tmp_path):
        for header in (
            {"logits": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 12]}},
            {"logits": {"dtype": "F32", "shape": [2, -2], "data_offsets": [0, 16]}},
            {"logits": {"dtype": "F32", "shape": [2, 2], "data_offsets": [-16, 0]}},
            {"logits": {"dtype": "F4", "shape": [2, 2], "data_offsets": [0, 16]}},
            {"logits": [1, 2]},
            [],
        ):
            text = json.dumps(header).encode()
            (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
            refused(tmp_path / "a.safetensors")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("p_0,p_1,label\n0.1,0.9,1\n0.1,0.9\n", "2 fields where the header has 3"),
            (
                "p_0,p_1,label\n0.1,0.9,1\n0.1,0.9,1\n0.1,high,1\n",
                "row 2 after the header, counted from 0: 'high' is not",
            ),
            ("0.1,0.9,1\n0.2,0.8,1\n", "not column names"),
            ("p_0,p_1,label\n", "no rows"),
            ('p_0,p_1,label\n0.1,"0.9,1\n', "2 fields where the header has 3"),
            ("p_0,p_1,label\n0.1,,1\n", "not one prediction that is finite"),
        ],
    )
    def test_csv(self, tmp_path, text, words):
        (tmp_path / "a.csv").write_text(text, encoding="utf-8")
        assert words in refused(tmp_path / "a.csv")

    def test_parquet_rows_without_a_value_or_of_another_length(self, tmp_path):
        pq.write_table(pa.table({"logits": [[1.0, 2.0], [3.0]], "labels": [0, 1]}), tmp_path / "a.parquet")
        assert "row 1: a list of 1 values" in refused(tmp_path / "a.parquet")
        pq.write_table(pa.table({"logits": [[1.0, 2.0], None], "labels": [0, 1]}), tmp_path / "a.parquet")
        assert "row 1: no value" in refused(tmp_path / "a.parquet")
        pq.write_table(pa.table({"y_pred": [1.0, None, 3.0], "y_true": [0.5, 1.5, 2.5]}), tmp_path / "b.parquet")
        assert "1 of 3 values are NaN" in report(tmp_path / "b.parquet")["reading"].findings[0].text

    def test_a_missing_package_is_named_with_its_extra(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        (tmp_path / "a.parquet").write_bytes(b"PAR1")
        with pytest.raises(MissingExtra, match=r"pip install 'lossary\[files\]'"):
            report(tmp_path / "a.parquet")


def complete_file(folder, logits, labels, suffix):
    path = folder / f"logits.{suffix}"
    if suffix == "npz":
        np.savez(path, logits=logits, labels=labels)
    elif suffix == "npy":
        np.save(path, logits)
    elif suffix == "safetensors":
        safetensors.numpy.save_file({"logits": logits, "labels": labels}, path)
    elif suffix == "csv":
        write_csv(path, ["p_0", "p_1", "p_2", "p_3", "label"], table_rows(logits, labels))
    elif suffix == "parquet":
        pq.write_table(pa.table({"logits": list(logits), "labels": labels}), path)
    elif suffix == "feather":
        pyarrow.feather.write_feather(pa.table({"logits": list(logits), "labels": labels}), str(path))
    elif suffix == "jsonl":
        records = [{"logits": row, "label": y} for row, y in zip(logits.tolist(), labels.tolist(), strict=True)]
        path.write_text("\n".join(map(json.dumps, records)))
    elif suffix == "pt":
        torch.save({"logits": torch.tensor(logits), "labels": torch.tensor(labels)}, path)
    else:
        book = openpyxl.Workbook()
        for row in [["p_0", "p_1", "p_2", "p_3", "label"], *np.column_stack([logits, labels]).tolist()]:
            book.active.append(row)
        book.save(path)
    return path


class TestHostileFiles:
    """Refused in one line, before what they promise is held in memory."""

    def test_an_archive_of_thousands_of_arrays(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            for k in range(1001):
                archive.writestr(f"{k}.npy", b"")
        assert "1,001 arrays" in refused(tmp_path / "a.npz")
        header = {f"{k}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for k in range(1001)}
        text = json.dumps(header).encode()
        (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
        assert "1,001 arrays" in refused(tmp_path / "a.safetensors")

    @pytest.mark.parametrize(
        "header", [b"[" * 100_000, b'{"a":' * 40_000, b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}']
    )
    def test_headers_that_cannot_be_parsed(self, tmp_path, header):
        (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
        assert "not a readable .safetensors" in refused(tmp_path / "a.safetensors")

    @pytest.mark.parametrize(("name", "depth"), [("a.json", 10**5), ("a.jsonl", 10**5)])
    def test_deep_json(self, tmp_path, name, depth):
        (tmp_path / name).write_bytes(b'{"a":' * depth)
        assert "nested too deeply" in refused(tmp_path / name)

    def test_bombs(self, tmp_path, monkeypatch):
        monkeypatch.setattr("lossary.reports.formats.stored.BOMB_SIZE", 2**22)
        np.savez_compressed(tmp_path / "a.npz", logits=np.zeros((2**17, 10)), labels=np.zeros(2**17, int))
        assert "unpack to" in refused(tmp_path / "a.npz")
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"p_0,p_1,label\n" + b"0.5,0.5,1\n" * 2**20))
        assert "unpack to" in refused(tmp_path / "a.csv.gz")
        words = pa.array(["x" * 1000] * 2**14).dictionary_encode()
        pq.write_table(pa.table({"label": words, "p": np.zeros(2**14)}), tmp_path / "a.parquet")
        assert "unpack to" in refused(tmp_path / "a.parquet")
        (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"a":"' + b"x" * 2**23))
        assert "a line of more than" in refused(tmp_path / "a.jsonl.gz")

    def test_what_is_too_wide(self, tmp_path):
        (tmp_path / "a.csv").write_text(",".join(f"c{k}" for k in range(20_001)) + "\n")
        assert "20,001 columns" in refused(tmp_path / "a.csv")
        np.savez_compressed(tmp_path / "a.npz", logits=np.zeros((1, 2**25 + 1), np.int8), labels=np.zeros(1, int))
        assert "scores for one sample" in refused(tmp_path / "a.npz")
        assert "no columns" in str(bad(tmp_path, {"logits": np.zeros((5, 0)), "labels": np.zeros(5, int)}))

    def test_an_expanding_spreadsheet(self, tmp_path):
        openpyxl.Workbook().save(tmp_path / "plain.xlsx")
        entities = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10 if k else "lol"}">' for k in range(10))
        sheet = f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><worksheet><sheetData>&e9;</sheetData></worksheet>'
        with zipfile.ZipFile(tmp_path / "plain.xlsx") as plain, zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
            for name in plain.namelist():
                archive.writestr(name, sheet if "sheet1" in name else plain.read(name))
        assert "not a readable table" in refused(tmp_path / "a.xlsx")

    def test_the_page_never_takes_the_place_of_the_input(self, tmp_path, logits, labels):
        path = tmp_path / "a.npz"
        np.savez(path, logits=logits, labels=labels)
        before = path.read_bytes()
        (tmp_path / "link").symlink_to(path)
        for out in (path, tmp_path / "link"):
            with pytest.raises(BadInput, match="overwrite the input"):
                report(path, out=out)
        assert path.read_bytes() == before
        with pytest.raises(BadInput, match="seed -1 is negative"):
            report(path, seed=-1)

    def test_names_are_cut(self, tmp_path):
        names = [letter * 10_000 for letter in "ab"]
        probs = np.array([[0.2, 0.8], [0.6, 0.4]])
        result = report(saved_table(tmp_path, dict(zip(names, probs.T, strict=True)) | {"label": names}))
        assert result.understanding.names == tuple(letter * 79 + "…" for letter in "ab")
        assert len(result.understanding.text) < 1000


def saved_table(folder, columns):
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"
