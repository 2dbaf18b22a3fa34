"""DTensors and DDP, on two ranks: the answer of the whole arrays, torch's own function where torch is patched, or an
error of ours; never a number of one shard."""

import json
import subprocess
import sys

import pytest
import two_ranks


@pytest.mark.slow
def test_on_two_ranks(tmp_path):
    files = [tmp_path / f"{rank}.json" for rank in (0, 1)]
    command = [sys.executable, two_ranks.__file__]
    ranks = [
        subprocess.Popen([*command, str(rank), tmp_path / "init", file], stderr=subprocess.PIPE, text=True)
        for rank, file in enumerate(files)
    ]
    try:
        errors = [rank.communicate(timeout=300)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(errors)
    for rank, file in enumerate(files):
        said = json.loads(file.read_text())
        assert list(said) == list(two_ranks.CHECKS)
        complaints = [f"{check}, on rank {rank}: {complaint}" for check, complaint in said.items() if complaint]
        assert not complaints, "\n".join(complaints)
