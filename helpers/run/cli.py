"""The `fupan` command: check, run, pdf, sessions, plan, export, lab, new, demo.

How it is called is declared here; what it does is in `commands`, which is loaded when something is
to be done: the help costs no import of what a review needs. Exit codes: 0 done, 1 something failed,
2 wrong usage.
"""

from __future__ import annotations

import errno
from pathlib import Path

import click

from helpers.core import places

data_option = click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path),
    default=places.WORKSPACE,
    show_default="data/" if places.IN_CHECKOUT else "the current folder",
    help="Workspace folder: raw/ with your exports, and what Fupan makes of them.",
)
reports_option = click.option(
    "--reports",
    "reports_dir",
    type=click.Path(path_type=Path),
    default=places.REPORTS,
    show_default="reports/",
    help="Where reports are published.",
)
lang_option = click.option(
    "--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Language."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


class _Commands(click.Group):
    """Trouble with the disk (no permission, no space, a file for a folder) ends in one line."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read our output has gone: click ends quietly
                raise
            _commands().fail(
                f"{error.filename}: {error.strerror}"
                if error.filename and error.strerror
                else str(error)
            )


def _commands():
    from helpers.run import commands  # dear: all that a review needs

    return commands


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="fupan")
def main() -> None:
    """Fupan (复盘): reviews of livestream-commerce sessions from the platforms' own exports."""


@main.command(
    help="Say of each raw file what it is: system, export, evidence grade, rows, what was not "
    "understood, columns not mapped and what they may be. Ends with 1 where something was not "
    "understood."
)
@data_option
@lang_option
@json_option
def check(**options: object) -> None:
    _commands().check(**options)


@main.command("run")
@click.argument("session", required=False)
@click.option("--latest", is_flag=True, help="The newest session.")
@click.option(
    "--pending",
    is_flag=True,
    help=(
        "Sessions of the last days without a report, and those whose after-sales need another look."
    ),
)
@click.option("--all", "every", is_flag=True, help="Every session of the workspace.")
@data_option
@reports_option
@lang_option
@click.option(
    "-p",
    "given",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    help="A notebook parameter; may be repeated.",
)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Sessions at once."
)
@click.option("--force", is_flag=True, help="Run every step again, changed or not.")
@click.option(
    "--audience",
    type=click.Choice(["team", "client"]),
    default="team",
    show_default=True,
    help="client: also what brands and agencies may see, in client/ beside the report.",
)
@json_option
def run_command(**options: object) -> None:
    """Review SESSION (an id of `fupan sessions`) and publish its report."""
    _commands().run(**options)


@main.command("sessions")
@data_option
@reports_option
@json_option
def sessions_command(**options: object) -> None:
    """List the workspace's sessions, newest first, with the state of their reports."""
    _commands().sessions(**options)


@main.command("plan")
@click.argument("session")
@data_option
@json_option
def plan_command(**options: object) -> None:
    """Show the optimisation plan of SESSION and where its file is."""
    _commands().plan(**options)


@main.command(
    "pdf",
    help="Print the report of SESSION to a PDF beside its page, with the Chromium, Chrome or Edge "
    "of this machine.\n\nThe page is looked for under --reports; the workspace is read only for "
    "the word latest.",
)
@click.argument("session")
@data_option
@reports_option
@lang_option
def pdf_command(**options: object) -> None:
    _commands().print_page(**options)


@main.command("export")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.duckdb")
@data_option
@reports_option
@json_option
def export_command(**options: object) -> None:
    """Write all tables, and the results of all reports, into FILE.duckdb for a BI tool."""
    _commands().export_to(**options)


@main.command("lab", context_settings={"ignore_unknown_options": True})
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path),
    show_default="data/ if it has exports, else the demo",
    help="Workspace folder; the notebooks are copied into its notebooks/.",
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab_command(**options: object) -> None:
    """Open JupyterLab on the workspace's own copies of the notebooks; OPTIONS go to Jupyter."""
    _commands().lab_on(**options)


@main.command(
    help="Write an Excel template for all that no platform exports: rundown, cues, minutes, "
    "events, goals, costs, notes …"
)
@click.argument("path", type=click.Path(path_type=Path), default=Path("fupan-template.xlsx"))
@lang_option
def new(**options: object) -> None:
    _commands().write_template(**options)


@main.command("demo")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seed", type=int, show_default="that of the shipped demo")
@click.option("--sessions", type=click.IntRange(40), default=200, show_default=True)
def demo_command(**options: object) -> None:
    """Write a workspace of raw exports of a simulated shop, with planted truths in truth.json."""
    _commands().write_demo(**options)


if __name__ == "__main__":
    main()
