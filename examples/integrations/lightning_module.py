"""A module of Lightning with a loss of Lossary: in float32 and in bf16-mixed, logged and averaged, kept in a checkpoint
and read by the same module with torch's loss.

Run: pip install pytorch-lightning, then python examples/integrations/lightning_module.py
"""

import logging
import sys
import tempfile
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric

from lossary import nn


class Classifier(pl.LightningModule):
    def __init__(self, loss: torch.nn.Module) -> None:
        super().__init__()
        self.layer, self.loss = torch.nn.Linear(4, 3), loss
        self.mean = MeanMetric()

    def training_step(self, batch: list[torch.Tensor], place: int) -> torch.Tensor:
        x, y = batch
        loss = self.loss(self.layer(x), y)
        self.mean.update(loss.detach(), weight=len(y))
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("loss", self.mean)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.5)


def data() -> DataLoader:
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(3, (60,), generator=draw)
    return DataLoader(TensorDataset(torch.eye(4)[y] + 0.3 * torch.randn(60, 4, generator=draw), y), batch_size=16)


def trained(loss: torch.nn.Module, precision: str, folder: str) -> tuple[float, Path]:
    """The mean loss of the last epoch, and the checkpoint."""
    pl.seed_everything(0, verbose=False)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_epochs=5, accelerator="cpu", precision=precision, default_root_dir=folder, **quiet)
    trainer.fit(Classifier(loss), data())
    (checkpoint,) = Path(folder).rglob("*.ckpt")
    return float(trainer.callback_metrics["loss"]), checkpoint


def main() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # Lightning's advice on workers
    weight = torch.tensor([1.0, 2.0, 1.0])
    for precision in ("32-true", "bf16-mixed"):
        losses = []
        for library in (torch.nn, nn):
            with tempfile.TemporaryDirectory() as folder:
                loss, checkpoint = trained(library.CrossEntropyLoss(weight=weight), precision, folder)
                state = torch.load(checkpoint, weights_only=True)["state_dict"]
            print(f"{precision:<11}{library.__name__:<11} {loss:.4f}")
            Classifier(torch.nn.CrossEntropyLoss(weight=weight)).load_state_dict(state)
            losses.append(loss)
        if abs(losses[0] - losses[1]) > 1e-4:
            sys.exit(f"{precision}: other losses")
    print("The checkpoints fit torch's loss too.")


if __name__ == "__main__":
    main()
