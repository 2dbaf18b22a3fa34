"""`lossary list`."""

from typing import Annotated

import typer

from lossary.cli.language import Lang, language_of
from lossary.cli.names import imported
from lossary.cli.terminal import AsJson, Refusal, did_you_mean, show, show_json, table
from lossary.cli.words import word
from lossary.core.record import catalogue
from lossary.translations import translate


def list_losses(
    name: Annotated[
        str | None, typer.Argument(metavar="FAMILY", help="Only the losses of this family.", show_default="all")
    ] = None,
    family: Annotated[
        str | None, typer.Option("--family", metavar="FAMILY", help="The same.", show_default="all")
    ] = None,
    own: Annotated[
        str | None,
        typer.Option(
            "--own", metavar="MODULE", help="Your own losses of a module beside Lossary's.", show_default="none"
        ),
    ] = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """List the losses: name, family, title."""
    family = family or name
    language = language_of(lang)
    families = tuple(dict.fromkeys(record.family for record in catalogue()))
    if family is not None and family not in families:
        raise Refusal(
            f"no losses of a family {family!r}.{did_you_mean(family, families)} The families are {', '.join(families)}"
        )
    if own is not None:
        imported(own)
    records = [record for record in catalogue(own is not None) if family in (None, record.family)]
    if as_json:
        show_json([{"name": r.name, "family": r.family, "title": translate(r.title, language)} for r in records])
    else:
        show(
            table(
                [word(n, language) for n in ("name", "family", "title")],
                [(r.name, r.family, translate(r.title, language)) for r in records],
            )
        )
