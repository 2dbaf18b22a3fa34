"""Files that are damaged, absurd or made to harm: each is refused in one line, in bounded time and memory."""

import bz2
import gzip
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and of time are those of Linux")

MEMORY, SECONDS = 10**9, 20
RUNNER = Path(__file__).with_name("report_runner.py")


class Payload:
    """A pickle of it makes a file when it is loaded."""

    def __init__(self, folder):
        self.mark = str(folder / "executed")

    def __reduce__(self):
        return open, (self.mark, "w")


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def cases(family, **builders):
    CASES.update({f"{family}: {name}": builder for name, builder in builders.items()})


def written(data, name, folder):
    (folder / name).write_bytes(data)
    return [name]


def arrays():
    rng = np.random.default_rng(0)
    return {"logits": rng.normal(size=(60, 3)).astype(np.float32), "labels": rng.integers(0, 3, 60)}


def columns():
    scores = arrays()["logits"]
    return {**{f"logit_{k}": scores[:, k].tolist() for k in range(3)}, "label": arrays()["labels"].tolist()}


# NumPy ----------------------------------------------------------------------------------------------------------------


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def with_header(text, data=b"\0" * 64, version=b"\x01\x00", length=None):
    header = text.encode("latin-1") + b"\n"
    size = len(header) if length is None else length
    return b"\x93NUMPY" + version + size.to_bytes(2 if version[0] == 1 else 4, "little") + header + data


def beside_labels(data, folder):
    (folder / "logits.npy").write_bytes(data)
    np.save(folder / "labels.npy", arrays()["labels"])
    return ["logits.npy", "labels.npy"]


def header(descr="'<f4'", order="False", shape="(60, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


GOOD = npy(arrays()["logits"])
for name, data in {
    "wrong magic": b"\x93NUMPX" + GOOD[6:],
    "version 9": with_header(header(), version=b"\x09\x00"),
    "magic alone": GOOD[:6],
    "no length": GOOD[:8],
    "header cut": GOOD[:40],
    "header alone": GOOD[:128],
    "data cut": GOOD[:-5],
    "length beyond the file": with_header(header(), length=60_000),
    "length of 4 GB": with_header(header(), version=b"\x02\x00", length=2**32 - 1),
    "no dictionary": with_header("[1, 2]"),
    "no text": with_header("\x00\xff\x01" * 20),
    "code": with_header(f"{{'descr': __import__('os').system('touch executed'), {header()[1:]}"),
    "deep": with_header("(" * 9_000 + ")" * 9_000),
    "deep and long": with_header("[" * 10**6, version=b"\x02\x00"),
    "unfinished": with_header("{'descr': '<f4', 'shape': (60,"),
    "without shape": with_header("{'descr': '<f4', 'fortran_order': False}"),
    "negative shape": with_header(header(shape="(-60, 3)")),
    "two negative lengths": with_header(header(shape="(-60, -3)")),
    "terabytes": with_header(header(shape=f"({2**40}, 3)")),
    "terabytes in a row": with_header(header(shape=f"(1, {2**42})")),
    "terabytes by column": with_header(header(order="True", shape=f"({2**40}, 3)")),
    "beyond 64 bits": with_header(header(shape=f"({10**30}, {10**30})")),
    "real shape": with_header(header(shape="(60.0, 3)")),
    "words as shape": with_header(header(shape="('60', 3)")),
    "sixty-five axes": with_header(header(shape=str((1,) * 65))),
    "objects": npy(np.array([[1, 2.0, "x"]] * 60, dtype=object)),
    "objects promised": with_header(header(descr="'|O'")),
    "records": npy(np.zeros(60, dtype=[("a", "f4"), ("b", "f4")])),
    "words": npy(np.full((60, 3), "cat")),
    "dates": npy(np.zeros((60, 3), "M8[s]")),
    "complex": npy(np.zeros((60, 3), complex)),
    "nothing wide": with_header(header(descr="'|V0'")),
    "unknown type": with_header(header(descr="'<f3'")),
    "wide type": with_header(header(descr="'<U999999999'")),
    "deep type": with_header(header(descr="[('a', " * 300 + "'f4'" + ")]" * 300), version=b"\x02\x00"),
    "one number": npy(np.float32(1)),
    "no rows": npy(np.zeros((0, 3), np.float32)),
    "no columns": npy(np.zeros((60, 0), np.float32)),
    "other rows": npy(np.zeros((61, 3), np.float32)),
    "nothing but nan": npy(np.full((60, 3), np.nan, np.float32)),
    "pickle": pickle.dumps([1, 2, 3]),
    "zip": b"PK\x05\x06" + b"\0" * 18,
    "text": b"0.1 0.2 0.3\n" * 60,
}.items():
    cases("npy", **{name: partial(beside_labels, data)})


@case
def npy_with_a_payload(folder):
    return beside_labels(npy(np.array([[Payload(folder)] * 3] * 60, dtype=object)), folder)


@case
def npy_header_that_is_a_pickle(folder):
    return beside_labels(pickle.dumps(Payload(folder)), folder)


@case
def npy_without_a_partner(folder):
    return written(GOOD, "logits.npy", folder)


# Archives -------------------------------------------------------------------------------------------------------------


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def npz(**changed):
    return zipped([(f"{name}.npy", npy(array)) for name, array in {**arrays(), **changed}.items()])


def lying(promised):
    """An archive of which the member says that it has so many bytes."""
    data = bytearray(zipped([("logits.npy", GOOD), ("labels.npy", npy(arrays()["labels"]))]))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(mark)
        data[start + at : start + at + 4] = struct.pack("<I", promised)
    return bytes(data)


def flagged(at_local, at_central, value):
    data = bytearray(npz())
    for mark, at in ((b"PK\x03\x04", at_local), (b"PK\x01\x02", at_central)):
        start = data.index(mark)
        data[start + at : start + at + 2] = struct.pack("<H", value)
    return bytes(data)


def zeros(megabytes):
    """A member of .npy that unpacks to so much."""
    rows = megabytes * 10**6 // 12
    return with_header(header(shape=f"({rows}, 3)"), data=b"") + bytes(rows * 12)


def wide_bomb():
    """Members that each are small enough, and together are not."""
    return zipped([(f"a{k}.npy", with_header(header(shape="(2000, 250)"), data=bytes(2 * 10**6))) for k in range(150)])


ARCHIVE = npz()
for name, data in {
    "20,000 members": lambda: zipped([(f"a{k}.npy", b"") for k in range(20_000)], zipfile.ZIP_STORED),
    "no members": lambda: zipped([]),
    "folders alone": lambda: zipped([("a/", b""), ("b/", b"")]),
    "no arrays": lambda: zipped([("readme.txt", b"hello")]),
    "empty members": lambda: zipped([("logits.npy", b""), ("labels.npy", b"")]),
    "archive in an archive": lambda: zipped([("a.npz", zipped([("b.npz", ARCHIVE)]))]),
    "cut in the first member": lambda: ARCHIVE[:200],
    "cut in the directory": lambda: ARCHIVE[:-60],
    "cut in its end": lambda: ARCHIVE[:-3],
    "beginning alone": lambda: ARCHIVE[:4],
    "end alone": lambda: ARCHIVE[-22:],
    "garbage in a member": lambda: ARCHIVE[:80] + bytes(40) + ARCHIVE[120:],
    "encrypted": lambda: flagged(6, 8, 1),
    "unknown compression": lambda: flagged(8, 10, 77),
    "more than promised": lambda: lying(100),
    "gigabytes promised": lambda: lying(2**32 - 2),
    "bomb": lambda: zipped([("logits.npy", zeros(300)), ("labels.npy", npy(arrays()["labels"]))]),
    "wide bomb": wide_bomb,
    "terabytes promised within": lambda: zipped(
        [("logits.npy", with_header(header(shape=f"({2**40}, 3)"))), ("labels.npy", npy(arrays()["labels"]))]
    ),
    "name of 60,000 characters": lambda: zipped([("a" * 60_000 + ".npy", GOOD)]),
    "names that steer a terminal": lambda: zipped([("\x1b[2J\x1b]0;owned\x07\r\n.npy", GOOD)]),
    "names that climb": lambda: zipped([("../../../etc/passwd.npy", GOOD)]),
    "objects": lambda: npz(labels=np.array([None] * 60)),
    "no rows": lambda: npz(logits=np.zeros((0, 3)), labels=np.zeros(0, int)),
    "no columns": lambda: npz(logits=np.zeros((60, 0))),
    "labels out of range": lambda: npz(labels=np.full(60, 10**9)),
    "labels beyond 64 bits": lambda: npz(labels=np.full(60, 1e300)),
    "labels of NaN": lambda: npz(labels=np.full(60, np.nan)),
    "one sample of 2^26 scores": lambda: npz(logits=np.zeros((1, 2**26), np.int8), labels=np.zeros(1, int)),
    "pickle": lambda: pickle.dumps([1]),
    "of PyTorch": lambda: zipped([("archive/data.pkl", b"")]),
    "text": lambda: b"PK is what it begins with",
}.items():
    cases("npz", **{name: lambda folder, data=data: written(data(), "a.npz", folder)})


@case
def npz_with_a_payload(folder):
    return written(npz(labels=np.array([Payload(folder)] * 60)), "a.npz", folder)


# safetensors ----------------------------------------------------------------------------------------------------------


def tensors(text, data=b"\0" * 64, length=None):
    raw = text.encode() if isinstance(text, str) else text
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def entry(dtype="F32", shape="[4]", offsets="[0, 16]", name="logits"):
    return f'{{"{name}": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}}}'


TENSORS = safetensors.numpy.save(arrays())
for name, data in {
    "length alone": TENSORS[:8],
    "length cut": TENSORS[:5],
    "header cut": TENSORS[:50],
    "data cut": TENSORS[:-7],
    "length beyond the file": tensors(entry(), length=10**6),
    "length beyond 64 bits": b"\xff" * 8 + TENSORS[8:],
    "deep": tensors("[" * 10**5),
    "deep records": tensors('{"a":' * 10**5),
    "no record": tensors("[1, 2, 3]"),
    "no JSON": tensors("hello, world"),
    "no UTF-8": tensors(b'{"\xff\xfe": 1}'),
    "no entry": tensors('{"logits": 1}'),
    "negative offsets": tensors(entry(offsets="[-16, 0]")),
    "reversed offsets": tensors(entry(offsets="[16, 0]")),
    "negative shape": tensors(entry(shape="[-2, -2]")),
    "terabytes": tensors(entry(shape=f"[{2**40}]", offsets=f"[0, {2**42}]")),
    "infinite shape": tensors(entry(shape="[1e999]")),
    "NaN as shape": tensors(entry(shape="[NaN]")),
    "number of 5,000 digits": tensors(entry(shape=f"[{'9' * 5000}]")),
    "unknown type": tensors(entry(dtype="F3")),
    "type that steers a terminal": tensors(entry(dtype="\\u001b[2J\\n")),
    "name of 900,000 characters": tensors(entry(name="a" * 900_000)),
    "name that steers a terminal": tensors(entry(name="\\u001b[2J\\r\\n")),
    "1,001 tensors": tensors(
        json.dumps({str(k): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for k in range(1001)})
    ),
    "nothing": tensors("{}"),
}.items():
    cases("safetensors", **{name: partial(written, data, "a.safetensors")})


# PyTorch --------------------------------------------------------------------------------------------------------------


def torch_file(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


TORCH = torch_file({name: torch.from_numpy(array) for name, array in arrays().items()})
for name, data in {
    "beginning alone": TORCH[:4],
    "cut": TORCH[:600],
    "end cut": TORCH[:-30],
    "end alone": TORCH[-22:],
    "garbage": b"\x80\x02" + bytes(100),
    "text": b"hello, world",
    "numbers alone": torch_file({"epoch": 3}),
    "no archive of PyTorch": zipped([("a.npy", GOOD)]),
    "thousands of tensors": torch_file([torch.zeros(0)] * 1001),
    "complex": torch_file({"logits": torch.zeros(60, 3, dtype=torch.complex64), "labels": torch.zeros(60)}),
    "one number": torch_file({"logits": torch.tensor(1.0), "labels": torch.tensor(1)}),
    "sparse": torch_file({"logits": torch.eye(60).to_sparse(), "labels": torch.zeros(60).long()}),
    "on no device": torch_file({"logits": torch.zeros(60, 3, device="meta"), "labels": torch.zeros(60).long()}),
    "expanded": torch_file({"logits": torch.zeros(1).expand(2**40, 3), "labels": torch.zeros(60).long()}),
}.items():
    cases("pt", **{name: partial(written, data, "a.pt")})


@case
def pt_with_a_payload(folder):
    return written(torch_file({"logits": Payload(folder)}), "a.pt", folder)


@case
def pt_of_old_with_a_payload(folder):
    return written(torch_file(Payload(folder), _use_new_zipfile_serialization=False), "a.pt", folder)


@case
def pt_that_is_a_payload(folder):
    return written(pickle.dumps(Payload(folder)), "a.pth", folder)


# Text -----------------------------------------------------------------------------------------------------------------

TEXT = "logit_0,logit_1,logit_2,label\n"
LINE = "0.5,0.25,0.75,1\n"


def csv(text):
    return text.encode() if isinstance(text, str) else text


for name, data in {
    "header alone": TEXT,
    "blank lines": "\n" * 1000,
    "spaces": " " * 1000,
    "NUL bytes": bytes(1000),
    "NUL bytes within": TEXT + LINE * 40 + "0.5,\0,0.75,1\n",
    "a field less": TEXT + LINE * 40 + "0.5,0.25\n",
    "a field more": TEXT + LINE * 40 + "1,2,3,4,5\n",
    "cut": TEXT + LINE * 40 + "0.5,0.2",
    "quote that never closes": TEXT + LINE * 40 + '"' + LINE * 400_000,
    "quoted header that never closes": '"' + TEXT * 400_000,
    "field of 10 MB": TEXT + LINE + "9" * 10**7 + ",1,2,1\n",
    "line of 50 MB": TEXT + "1," * 25_000_000,
    "words": TEXT + LINE * 40 + "0.5,cat,0.75,1\n",
    "formula": TEXT + LINE * 40 + '0.5,=cmd|"/c calc"!A1,0.75,1\n',
    "numbers of 5,000 digits": TEXT + ("9" * 5000 + ",0.25,0.75,1\n") * 40,
    "class of -7": TEXT + LINE * 40 + "0.5,0.25,0.75,-7\n",
    "same column twice": "logit_0,logit_0,label\n" + "0.5,0.25,1\n" * 40,
    "million columns": ",".join(f"logit_{k}" for k in range(10**6)) + "\n",
    "million columns without names": "," * 10**6 + "\n" + "," * 10**6,
    "column name of 100,000 letters": "a" * 10**5 + ",b\n" + "1,2\n" * 40,
    "column names that steer a terminal": "\x1b[2J\x1b]0;owned\x07,\x1b[31m\n" + "cat,dog\n" * 40,
    "column names with line breaks": '"a\nb","c\r\nd"\n' + "cat,dog\n" * 40,
    "no header": LINE * 40,
    "UTF-16 without its mark": (TEXT + LINE * 40).encode("utf-16-le"),
    "UTF-16 cut in two": (TEXT + LINE * 40).encode("utf-16")[:-1],
    "UTF-16 that is UTF-8": b"\xff\xfe" + (TEXT + LINE * 41).encode()[:-1],
    "UTF-32": (TEXT + LINE * 40).encode("utf-32"),
    "UTF-8 that is not": TEXT.encode() + LINE.encode() * 40 + b"0.5,\xff\xfe\x81,0.75,1\n",
    "all bytes": np.random.default_rng(0).integers(0, 256, 10_000).astype(np.uint8).tobytes(),
    "JSON": json.dumps(columns()),
}.items():
    cases("csv", **{name: partial(written, csv(data), "a.csv")})

TABLE = csv(TEXT + LINE * 40)
for name, file, data in (
    ("gz cut", "a.csv.gz", lambda: gzip.compress(TABLE)[:-12]),
    ("gz without its end", "a.csv.gz", lambda: gzip.compress(TABLE * 100)[:200]),
    ("gz header alone", "a.csv.gz", lambda: gzip.compress(TABLE)[:10]),
    ("gz that is text", "a.csv.gz", lambda: TABLE),
    ("gz with a wrong sum", "a.csv.gz", lambda: gzip.compress(TABLE)[:-8] + bytes(8)),
    ("gz bomb", "a.csv.gz", lambda: gzip.compress(TABLE) + gzip.compress(csv(LINE) * 10**6) * 18),
    ("gz bomb in a cell", "a.csv.gz", lambda: gzip.compress(TABLE) + gzip.compress(b"0" * 10**7) * 40),
    ("gz bomb of zeros", "a.csv.gz", lambda: gzip.compress(bytes(10**7)) * 40),
    ("gz in gz", "a.csv.gz", lambda: gzip.compress(gzip.compress(TABLE))),
    ("zst cut", "a.csv.zst", lambda: pa.compress(TABLE, "zstd", asbytes=True)[:-9]),
    ("zst that is text", "a.csv.zst", lambda: TABLE),
    ("zst bomb", "a.jsonl.zst", lambda: pa.compress(b'{"a":"' + bytes(10**7), "zstd", asbytes=True) * 40),
    ("bz2 cut", "a.csv.bz2", lambda: bz2.compress(TABLE)[:-9]),
    ("lz4 that is text", "a.csv.lz4", lambda: TABLE),
    ("npz in gz", "a.npz.gz", lambda: gzip.compress(ARCHIVE)),
):
    cases("compressed", **{name: lambda folder, file=file, data=data: written(data(), file, folder)})


def json_of(**changed):
    return json.dumps({**columns(), **changed})


for name, data in {
    "deep lists": "[" * 10**5,
    "deep records": '{"a":' * 10**5,
    "deep and closed": "[" * 10**5 + "]" * 10**5,
    "cut": json_of()[:-40],
    "bracket alone": "[",
    "nothing in it": "[]",
    "record with nothing in it": "{}",
    "number": "3",
    "word": '"hello"',
    "null": "null",
    "numbers": "[1, 2, 3]",
    "records and numbers": '[{"logit_0": 1}, 2]',
    "columns of two lengths": json_of(label=[1]),
    "NaN": json.dumps({"logits": [[float("nan")] * 3] * 30, "labels": [1] * 30}),
    "rows of two lengths": json.dumps({"logits": [[1.0, 2.0, 3.0]] * 30 + [[1.0]], "labels": [1] * 31}),
    "number of 5,000 digits": json_of(label=[0])[:-3] + "9" * 5000 + "]}",
    "integer beyond 64 bits": json_of(label=[2**70] * 60),
    "words among numbers": json_of(logit_1=[0.5] * 59 + ["cat"]),
    "lists of words": json.dumps({"logits": [["a", "b", "c"]] * 30, "labels": [1] * 30}),
    "lone surrogates": json.dumps([{"\ud800": "\udfff", "b": "\ud800"}] * 30),
    "names that steer a terminal": json.dumps([{"\x1b[2J": "cat", "\r\n": "dog"}] * 30),
    "name of 100,000 letters": json.dumps([{"a" * 10**5: 1.0}] * 2),
    "no UTF-8": b'{"\xff": [1, 2]}',
    "NUL bytes": bytes(1000),
}.items():
    cases("json", **{name: partial(written, csv(data), "a.json")})

for name, data in {
    "line of 8 MB": '{"a": "' + "x" * 2**23 + '"}\n',
    "numbers": "1\n2\n3\n",
    "lists": "[1, 2]\n" * 30,
    "cut": '{"logits": [1, 2, 3], "label": 1}\n' * 30 + '{"logits": [1,',
    "deep": '{"a":' * 10**5,
    "a million keys": json.dumps({f"c{k}": k for k in range(300_000)}) + "\n",
    "other keys in every line": "".join(json.dumps({f"c{k}": k, f"d{k}": "x"}) + "\n" for k in range(4_096)),
    "tokens without log-probabilities": '{"token_logprobs": [-1.0]}\n{"text": "x"}\n',
    "tokens of words": '{"token_logprobs": ["a", "b"]}\n',
    "choices of odd types": '{"choices": [{"logprobs": {"content": [1, 2]}}]}\n',
    "prompt of odd types": '{"prompt_logprobs": [null, {"5": 3}]}\n',
    "positive log-probabilities": '{"token_logprobs": [5.0, 1.0, 2.0]}\n' * 30,
}.items():
    cases("jsonl", **{name: partial(written, csv(data), "a.jsonl")})


# Columns --------------------------------------------------------------------------------------------------------------


def parquet(table, **options):
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def feather(table):
    stream = io.BytesIO()
    pyarrow.feather.write_feather(table, stream)
    return stream.getvalue()


def scrambled(data, start, stop):
    noise = np.random.default_rng(0).integers(0, 256, stop - start).astype(np.uint8).tobytes()
    return data[:start] + noise + data[stop:]


PARQUET, ARROW = parquet(pa.table(columns())), feather(pa.table(columns()))
FOOTER = len(PARQUET) - 8 - int.from_bytes(PARQUET[-8:-4], "little")
WORDS = pa.array(["x" * 1000] * 2**19).dictionary_encode()
for name, data in {
    "magic alone": b"PAR1",
    "magic twice": b"PAR1PAR1",
    "cut": PARQUET[:-100],
    "end cut": PARQUET[:-3],
    "footer of 4 GB": PARQUET[:-8] + b"\xff\xff\xff\xff" + b"PAR1",
    "footer of nothing": PARQUET[:-8] + bytes(4) + b"PAR1",
    "footer of noise": scrambled(PARQUET, FOOTER, len(PARQUET) - 8),
    "footer half noise": scrambled(PARQUET, FOOTER + 20, FOOTER + 300),
    "footer of zeros": PARQUET[:FOOTER] + bytes(len(PARQUET) - 8 - FOOTER) + PARQUET[-8:],
    "footer without its pages": PARQUET[FOOTER:],
    "pages of noise": scrambled(PARQUET, 4, FOOTER),
    "encrypted": PARQUET[:-4] + b"PARE",
    "no rows": parquet(pa.table({name: values[:0] for name, values in columns().items()})),
    "no columns": parquet(pa.table({})),
    "records in cells": parquet(pa.table({"logits": [{"a": 1}] * 30, "label": [1] * 30})),
    "nulls alone": parquet(pa.table({"logits": pa.nulls(30), "label": pa.nulls(30)})),
    "bytes": parquet(pa.table({"logits": [b"\xff"] * 30, "label": [b"\0"] * 30})),
    "dates": parquet(pa.table({"logits": pa.array([0] * 30, pa.date32()), "label": [1] * 30})),
    "lists of lists": parquet(pa.table({"logits": [[[1.0], [2.0]]] * 30, "label": [1] * 30})),
    "lists of two lengths": parquet(pa.table({"logits": [[1.0, 2.0]] * 29 + [[1.0]], "label": [1] * 30})),
    "empty lists": parquet(pa.table({"logits": pa.array([[]] * 30, pa.list_(pa.float64())), "label": [1] * 30})),
    "bomb of words": parquet(pa.table({"label": WORDS, "p": np.zeros(len(WORDS))})),
    "20,001 columns": parquet(pa.table({f"c{k}": [1] for k in range(20_001)})),
    "names that steer a terminal": parquet(pa.table({"\x1b[2J": ["a"] * 30, "\r\n": ["b"] * 30})),
    "CSV": TABLE,
}.items():
    cases("parquet", **{name: partial(written, data, "a.parquet")})

for name, data in {
    "magic alone": b"ARROW1\0\0",
    "cut": ARROW[:-100],
    "end cut": ARROW[:-3],
    "noise": scrambled(ARROW, 8, len(ARROW) - 10),
    "noise in the footer": scrambled(ARROW, len(ARROW) - 200, len(ARROW) - 10),
    "stream of 2 GB": b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100),
    "no rows": feather(pa.table({name: values[:0] for name, values in columns().items()})),
    "no columns": feather(pa.table({})),
}.items():
    cases("arrow", **{name: partial(written, data, "a.arrow")})


def excel(rows, **replaced):
    book, stream, changed = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(stream)
    with zipfile.ZipFile(stream) as plain, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in plain.namelist():
            archive.writestr(name, next((data for part, data in replaced.items() if part in name), plain.read(name)))
    return changed.getvalue()


LAUGHS = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10 if k else "lol"}">' for k in range(10))
EXCEL = excel([["p_0", "p_1", "label"], *[[0.5, 0.5, 1]] * 30])
for name, data in {
    "cut": EXCEL[:2000],
    "end cut": EXCEL[:-3],
    "no workbook": zipped([("a.txt", b"")]),
    "empty sheet": excel([]),
    "header alone": excel([["p_0", "p_1", "label"]]),
    "same column twice": excel([["p", "p"], [1, 2]]),
    "words": excel([["a", "b"], ["cat", "dog"]]),
    "laughs": excel([[1]], sheet1=f'<?xml version="1.0"?><!DOCTYPE x [{LAUGHS}]><worksheet>&e9;</worksheet>'),
    "deep sheet": excel([[1]], sheet1="<worksheet><sheetData>" + "<row>" * 50_000),
    "bomb": excel([[1]], sheet1=b"<worksheet>" + b" " * 3 * 10**8),
    "sheet of noise": excel([[1]], sheet1=scrambled(b"", 0, 0) or bytes(range(256))),
    "cell that reads a file": excel(
        [[1]], sheet1='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><worksheet>&e;</worksheet>'
    ),
}.items():
    cases("xlsx", **{name: partial(written, data, "a.xlsx")})


# What is no file, and options -----------------------------------------------------------------------------------------


def linked(target, folder, name="a.npz"):
    (folder / name).symlink_to(target)
    return [name]


def piped(folder):
    os.mkfifo(folder / "a.npz")
    return ["a.npz"]


def folder_of(name, folder):
    (folder / name).mkdir()
    return [name]


cases(
    "path",
    **{
        "zeros without end": lambda folder: ["/dev/zero"],
        "zeros under another name": partial(linked, "/dev/zero"),
        "noise under another name": partial(linked, "/dev/urandom", name="a.csv"),
        "nothing under another name": partial(linked, "/dev/null"),
        "terminal": partial(linked, "/dev/tty"),
        "memory of the process": partial(linked, "/proc/self/mem"),
        "pipe": piped,
        "folder": partial(folder_of, "a.npz"),
        "this folder": lambda folder: ["."],
        "link to itself": partial(linked, "a.npz"),
        "link to nothing": partial(linked, "absent.npz"),
        "absent": lambda folder: ["absent.npz"],
        "absent, with a name that steers a terminal": lambda folder: ["\x1b[2J\x1b]0;owned\x07\r\nabsent.npz"],
        "absent, with a name of 1 MB": lambda folder: ["a" * 10**6 + ".npz"],
        "absent, with a NUL byte": lambda folder: ["a\0.npz"],
        "absent, with a lone surrogate": lambda folder: ["\udcff.npz"],
        "no name": lambda folder: [""],
        "suffix of 100,000 characters": lambda folder: written(b"1", "a." + "b" * 200, folder),
        "pickle": lambda folder: written(pickle.dumps(Payload(folder)), "a.pkl", folder),
        "joblib": lambda folder: written(pickle.dumps(Payload(folder)), "a.joblib", folder),
        "HDF5": partial(written, b"\x89HDF\r\n\x1a\n", "a.h5"),
        "without a suffix": partial(written, ARCHIVE, "predictions"),
        **{
            f"empty {suffix}": partial(written, b"", f"a{suffix}")
            for suffix in (".npz", ".npy", ".safetensors", ".pt", ".csv", ".parquet", ".arrow", ".jsonl", ".json",
                           ".xlsx", ".csv.gz", ".csv.zst")
        },
        "a hundred of the same": lambda folder: written(ARCHIVE, "a.npz", folder) * 100,
    },
)  # fmt: skip


def with_options(*options):
    def build(folder):
        return [*written(ARCHIVE, "a.npz", folder), *options]

    return build


def ids(of_predictions, of_targets):
    def build(folder):
        for name, column, rows in (("preds.csv", "prob", of_predictions), ("labels.csv", "target", of_targets)):
            (folder / name).write_text(f"id,{column}\n" + "".join(f"{row},{k % 2}\n" for k, row in enumerate(rows)))
        return ["preds.csv", "labels.csv"]

    return build


@case
def out_at_a_link_to_the_input(folder):
    return [*written(ARCHIVE, "a.npz", folder), "-o", *linked("a.npz", folder, "page.html")]


@case
def names_that_are_no_text(folder):
    return [*written(ARCHIVE, "a.npz", folder), "--names", *written(bytes(range(256)), "names.txt", folder)]


@case
def names_in_a_file_without_end(folder):
    return [*written(ARCHIVE, "a.npz", folder), "--names", *linked("/dev/zero", folder, "names.txt")]


cases(
    "options",
    **{
        "seed of -1": with_options("--seed", "-1"),
        "seed beyond 64 bits": with_options("--seed", "-" + "9" * 40),
        "out at the input": with_options("-o", "a.npz"),
        "out at a folder": with_options("-o", "."),
        "out in no folder": with_options("-o", "absent/page.html"),
        "out with a NUL byte": with_options("-o", "page\0.html"),
        "out with a name of 1,000 characters": with_options("-o", "a" * 1000),
        "out of no name": with_options("-o", ""),
        "unknown kind": with_options("--kind", "\x1b[2J"),
        "unknown task": with_options("--task", "x" * 10**6),
        "unknown severity": with_options("--fail-on", "\n"),
        "unknown key": with_options("--pred-key", "\x1b]0;owned\x07"),
        "unknown key of 100,000 letters": with_options("--target-key", "a" * 10**5),
        "pattern that takes for ever": with_options("--pred-key", "*a" * 40),
        "names too few": with_options("--names", "a,b"),
        "same key twice": with_options("--pred-key", "labels", "--target-key", "labels"),
        "ids that repeat": ids(range(30), [*range(29), 7]),
        "ids of others": ids(range(30), range(100, 130)),
        "ids that are words": ids(range(30), "abcdefghijklmnopqrstuvwxyzABCD"),
    },
)


@pytest.fixture(scope="module")
def runner():
    """A process that runs the commands with little memory and time."""
    command = [sys.executable, RUNNER, str(MEMORY), str(SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        yield process
        process.stdin.close()


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_one_line(name, runner, tmp_path):
    arguments = CASES[name](tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    runner.stdin.write(json.dumps([str(tmp_path), arguments]) + "\n")
    runner.stdin.flush()
    code, out, error = json.loads(runner.stdout.readline())
    assert (code, out) == (2, ""), error[-2000:]
    assert error.endswith("\n")
    assert error.startswith("lossary report: ")
    assert error.count("\n") == 1
    assert error[:-1].isprintable()
    assert len(error) < 2000
    assert {path.name for path in tmp_path.iterdir()} == before  # no page, no half of one, nothing that a file ran


def test_there_are_many():
    assert len(CASES) >= 120
