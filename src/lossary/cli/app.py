"""The commands of `lossary`."""

from typing import Annotated

import typer

from lossary.cli.check import check_files
from lossary.cli.doctor import doctor
from lossary.cli.explain import explain
from lossary.cli.explore import explore
from lossary.cli.listing import list_losses
from lossary.cli.plot import plot
from lossary.cli.show import show_loss
from lossary.cli.terminal import Commands
from lossary.cli.verify import verify
from lossary.cli.which import which
from lossary.reports.cli import report_command
from lossary.version import __version__

app = typer.Typer(
    cls=Commands,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _examples(*lines: str) -> str:
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])  # \b: keep the lines as they are


@app.callback(
    epilog=_examples(
        "lossary show cross_entropy",
        "lossary plot huber_loss --option delta=0.5,1,2",
        "lossary report predictions.npz",
    )
    + "\n\nExit codes: 0 all is well, 1 findings, 2 bad input."
)
def lossary(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Loss functions: what they are, how they look, which implementation runs, and what your model's losses mean."""
    if show_version:
        typer.echo(f"lossary {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(
    "report",
    short_help="Report on saved predictions and targets.",
    epilog=_examples(
        "lossary report",
        "lossary report predictions.npz",
        "lossary report logits.npy labels.npy --names cat,dog,bird",
        "lossary report predictions.npz --json --no-html",
    ),
)(report_command)
app.command(
    "check",
    epilog=_examples(
        "lossary check predictions.npz --loss cross_entropy",
        "lossary check logits.npy labels.npy --loss nll_loss --option ignore_index=255",
        "lossary check --list",
    ),
)(check_files)
app.command("list", epilog=_examples("lossary list", "lossary list regression --json"))(list_losses)
app.command(
    "show",
    short_help="Say all about a loss, a function, an identity or a code.",
    epilog=_examples(
        "lossary show cross_entropy",
        "lossary show CrossEntropyLoss LS101 entropy",
        "lossary show huber_loss --lang zh",
    ),
)(show_loss)
app.command(
    "plot",
    epilog=_examples(
        "lossary plot cross_entropy",
        "lossary plot huber_loss --option delta=0.5,1,2 --range -4:4 --out huber.png",
        "lossary plot l1_loss mse_loss huber_loss",
        "lossary plot cross_entropy mse_loss",
        "lossary plot --figure saturation",
    ),
)(plot)
app.command(
    "verify",
    epilog=_examples(
        "lossary verify",
        "lossary verify cross_entropy_decomposes",
        "lossary verify --library numpy --dtype float64 --full",
        "lossary verify predictions.npz",
        "lossary verify logits.npy labels.npy --json",
    ),
)(verify)
app.command(
    "explain",
    short_help="Say which implementation of a loss runs, and why not another.",
    epilog=_examples(
        "lossary explain mse_loss",
        "lossary explain cross_entropy --shape 32x10 --dtype bfloat16",
        "lossary explain ctc_loss --shape 50x16x20 --library numpy",
    ),
)(explain)
app.command(
    "which",
    context_settings={"ignore_unknown_options": True},
    epilog=_examples(
        "lossary which",
        "lossary which --task regression --outliers",
        "lossary which cross_entropy mse_loss",
        "lossary which predictions.npz",
    ),
)(which)
app.command("explore", epilog=_examples("lossary explore", "lossary explore --out losses.html"))(explore)
app.command("doctor", epilog=_examples("lossary doctor", "lossary doctor --json"))(doctor)
