"""What was measured beside what was predicted: python -m benchmarks.gpu.compare OUT."""

import json
import sys
from pathlib import Path


def table(machine: dict, times: dict) -> str:
    copy = machine["copy_bytes_per_s"]
    lines = ["| case | ms | predicted | of the copy's bandwidth | over eager | over compiled | over Liger |"]
    lines.append("|---" * lines[0].count(" | ") + "|---|")
    for name, found in times.items():
        if name == "dry":
            continue
        ms = found["ms"]
        ours, share = ms["lossary"], found["bytes"] / (ms["lossary"] * 1e-3) / copy
        others = [f"{ms[who] / ours:.2f}" if who in ms else "" for who in ("eager", "compiled", "liger")]
        lines.append(f"| {name} | {ours:.3f} | {found['predicted_ms']:.3f} | {share:.0%} | {' | '.join(others)} |")
    return "\n".join(lines)


def main() -> None:
    folder = Path(sys.argv[1])
    machine, times = (json.loads((folder / f"{step}.json").read_text("utf-8")) for step in ("machine", "times"))
    if times["dry"]:
        print("A dry run: these are no measurements of a GPU.")
    print(table(machine, times))


if __name__ == "__main__":
    main()
