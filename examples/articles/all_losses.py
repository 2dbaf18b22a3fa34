"""Every loss of the catalogue in one script: the examples of its record, which were worked out by hand, computed.

Run: python examples/articles/all_losses.py

It prints a line for each: its name, what was computed, and how that comes about; it fails where a value is another.
"""

import math

import numpy as np

import lossary


def main() -> None:
    for loss in lossary.catalogue():
        print(f"\n{loss.name}: {loss.title}")
        for example in loss.examples:
            arguments = {name: np.array(x) if name in loss.data else x for name, x in example.arguments.items()}
            value = float(loss.public(**arguments))
            if not math.isclose(value, example.value, rel_tol=1e-9, abs_tol=1e-12):
                raise SystemExit(f"{loss.name}{example.arguments}: {value} and not {example.value}")
            print(f"    {value:.4f}   {example.because}")


if __name__ == "__main__":
    main()
