"""A small language model, trained by the Trainer of transformers: with its own loss, with Lossary's as
`compute_loss_func`, and with torch's functions on loan to Lossary; one batch at a time, and as two micro-batches.

Run: pip install transformers accelerate, then python examples/integrations/transformers_trainer.py

It prints the losses that were logged, which are the same.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments, set_seed
from transformers.utils import logging

import lossary

VOCABULARY, LENGTH, STEPS = 50, 12, 4


def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None) -> torch.Tensor:
    """Of the next token; a mean over the tokens of all micro-batches."""
    logits, following = outputs["logits"][:, :-1], labels[:, 1:]
    return lossary.cross_entropy(logits.transpose(1, 2), following, normalizer=num_items_in_batch)


def texts() -> list[dict[str, torch.Tensor]]:
    """Of unequal lengths: -100 marks what does not count."""
    draw = torch.Generator().manual_seed(0)
    found = []
    for _ in range(4 * STEPS):
        tokens = torch.randint(VOCABULARY, (LENGTH,), generator=draw)
        labels = tokens.clone()
        labels[int(torch.randint(4, LENGTH, (), generator=draw)) :] = -100
        found.append({"input_ids": tokens, "labels": labels})
    return found


def logged(accumulation: int, **options: Any) -> list[float]:
    set_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=16, n_layer=1, n_head=2))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=4 // accumulation,
            gradient_accumulation_steps=accumulation,
            max_steps=STEPS,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = Trainer(model, arguments, train_dataset=texts(), **options)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main() -> None:
    logging.set_verbosity_error()
    ways: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
        "transformers' own": (nullcontext, {}),
        "compute_loss_func": (nullcontext, {"compute_loss_func": loss}),
        "patch_torch": (lossary.patch_torch, {}),
    }
    for accumulation in (1, 2):
        expected = None
        for name, (context, options) in ways.items():
            with context():
                losses = logged(accumulation, **options)
            expected = expected or losses
            print(f"{accumulation} micro-batch(es), {name:<18}", *(f"{float(value):.4f}" for value in losses))
            if any(abs(float(a) - float(b)) > 2e-4 for a, b in zip(losses, expected, strict=True)):
                sys.exit(f"{name}: other losses")


if __name__ == "__main__":
    main()
