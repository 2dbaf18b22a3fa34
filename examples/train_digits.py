"""Trains a small network on scikit-learn's digits and saves its held-out logits, which ship with Lossary.

python examples/train_digits.py [FILE]     # default: src/lossary/reports/data/digits.npz
lossary report FILE
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from lossary import nn

HERE = Path(__file__).resolve().parent.parent
DEFAULT = HERE / "src" / "lossary" / "report" / "data" / "digits.npz"
EPOCHS, BATCH = 200, 32  # long enough to become over-confident, as networks do


def main(path: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # sums in one order, so that two machines agree to the last few digits
    digits = load_digits()
    rows = np.arange(len(digits.target))
    train, held_out = train_test_split(rows, test_size=0.5, random_state=0, stratify=digits.target)
    images = torch.tensor(digits.data / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)

    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    loss = nn.CrossEntropyLoss()
    for _ in range(EPOCHS):
        for batch in torch.tensor(train)[torch.randperm(len(train))].split(BATCH):
            optimiser.zero_grad()
            loss(model(images[batch]), labels[batch]).backward()
            optimiser.step()

    with torch.no_grad():
        logits = model(images[held_out])
    print(f"held-out cross-entropy {loss(logits, labels[held_out]):.4f} nats over {len(held_out)} digits")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        logits=logits.numpy(),
        labels=digits.target[held_out].astype(np.uint8),
        sample_ids=held_out.astype(np.int16),
        class_names=np.array([str(digit) for digit in range(10)]),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
