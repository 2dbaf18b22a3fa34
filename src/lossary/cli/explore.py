"""`lossary explore`."""

import errno
import webbrowser
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Annotated

import typer

from lossary.cli.terminal import Refusal
from lossary.reports.write import write_whole

HOST = "127.0.0.1"


def explore(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the page to this file, and serve nothing.")
    ] = None,
    port: Annotated[int, typer.Option(help="The port to serve on; 0 is a free one.", min=0, max=65535)] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Look at losses in the browser: curves, options, your own numbers.

    The page is one file in English and Chinese, which needs no network. It is served on this machine alone, until
    Ctrl-C, or written with --out.
    """
    from lossary.explorer import page

    if out is not None:
        write_whole(out, page())
        typer.echo(str(out))
        return
    with _server(page(), port) as server:
        address = f"http://{HOST}:{server.server_port}/"
        typer.echo(f"{address}  (Ctrl-C ends it)")
        if open_browser:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("")


def _server(page: str, port: int) -> HTTPServer:
    try:
        return HTTPServer((HOST, port), partial(_OnePage, page.encode()))
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise Refusal(f"port {port} {reason}. Choose another with --port, or a free one with --port 0") from None


class _OnePage(BaseHTTPRequestHandler):
    """Answers every address with the page."""

    def __init__(self, page: bytes, *args: object) -> None:
        self.page = page
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        found = self.path.partition("?")[0] == "/"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.page) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(self.page)

    def log_message(self, format: str, *args: object) -> None:
        """Requests of one reader are no news."""
