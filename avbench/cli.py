"""The commands of avbench: one short function each, no logic. A user's error ends in one sentence and exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from avbench.request import Request, takes_request

app = typer.Typer(
    help="Attention designs for vision under one budget: what they cost, what they learn, on your machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV on standard output.")]
Params = Annotated[str, typer.Option(help="The budget, such as 5M: adds sizes and costs at 224 pixels.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `avbench sweep` wrote.")]
Name = Annotated[str, typer.Argument(help="A name of `avbench list`, ./mine.py or package.module:RECIPE.")]


@app.command("list")
def list_(params: Params = "", as_json: Json = False, as_csv: Csv = False) -> None:
    """Every design: title, paper, growth."""
    from avbench.listing import listing, show_listing

    show_listing(listing(params), as_json, as_csv)


@app.command()
def show(name: Name, params: Params = "5M") -> None:
    """One design: its mathematics, its source, its sizes."""
    from avbench.listing import show_design

    show_design(name, params)


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="scenes, scenes:cue, digits, folder:PATH ...; none: all.")] = "",
    shows: Annotated[bool, typer.Option("--show", help="Write a contact sheet of scenes instead.")] = False,
    out: Annotated[Path, typer.Option(help="The PNG file of the sheet.")] = Path("scenes.png"),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """What networks learn from: tasks, classes, chance, ceilings; or pictures of it."""
    from avbench.datasets import show_data, show_sheet

    if shows:
        show_sheet(name or "scenes", out)
    else:
        show_data(name, as_json, as_csv)


@app.command()
@takes_request
def plan(
    request: Request,
    fits: Annotated[str, typer.Option(help="Instead, the largest size and batch that a memory holds: 24GB.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """What a sweep would measure and what it would cost, before it starts."""
    from avbench.fitting import show_fits
    from avbench.planning import planned, show_plan

    if fits:
        show_fits(request, fits, as_json, as_csv)
    else:
        show_plan(planned(request), as_json, as_csv)


@app.command()
@takes_request
def sweep(
    request: Request,
    run: Annotated[Path | None, typer.Option(help="The run folder; by default runs/<date-time>.")] = None,
) -> None:
    """Measure, record and report. The same command again goes on where it ended."""
    from avbench.sweeping import sweep

    raise typer.Exit(sweep(request, run))


@app.command()
def records(run: RunFolder, as_json: Json = False, as_csv: Csv = False) -> None:
    """The records of a run: one row for each number."""
    from avbench.listing import show_records

    show_records(run, as_json, as_csv)


@app.command()
def report(
    run: RunFolder,
    other: Annotated[Path | None, typer.Argument(help="A second run, to be shown beside the first.")] = None,
    format: Annotated[
        str, typer.Option(help="html, md, latex, csv, json, parquet, tensorboard; several: md,csv.")
    ] = "html",
) -> None:
    """Write the report of a run, or of two side by side."""
    from avbench.reporting import forms_of, write_comparison, write_report

    forms = forms_of(format)
    write_comparison(run, other, forms) if other else write_report(run, forms)


@app.command()
def recommend(
    run: RunFolder,
    res: Annotated[str, typer.Option(help="At which resolution; by default at each of the run.")] = "",
    max_ms: Annotated[float | None, typer.Option(help="Milliseconds that a batch may take.")] = None,
    max_memory: Annotated[str, typer.Option(help="Memory that it may take, weights and images too: 8GB.")] = "",
    min_accuracy: Annotated[str, typer.Option(help="The least accuracy or mIoU: 80%.")] = "",
    task: Annotated[str, typer.Option(help="classification, segmentation; by default both.")] = "",
    device: Annotated[str, typer.Option(help="By default each of the run.")] = "",
    mode: Annotated[str, typer.Option(help="inference, train.")] = "inference",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Which designs of a run fit your limits, or what has to give. Exit code 1 where none is known to fit."""
    from avbench.recommending import Wish, show_recommendation

    wish = Wish(res, max_ms, max_memory, min_accuracy, task, device, mode)
    raise typer.Exit(show_recommendation(run, wish, as_json, as_csv))


@app.command()
def check(name: Name, params: Params = "5M") -> None:
    """Run on a design, perhaps your own, what ours must pass."""
    from avbench.checking import show_check

    raise typer.Exit(show_check(name, params))


@app.command()
def view(
    name: Name,
    image: Annotated[Path, typer.Option(help="A PNG or JPEG.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Trained weights: a *.final.pt of a run folder.")] = None,
    res: Annotated[str, typer.Option(help="Pixels: 224, or rows x columns: 224x320.")] = "224",
    params: Params = "5M",
    out: Annotated[Path | None, typer.Option(help="The folder; by default one in views/.")] = None,
) -> None:
    """Attention over an image: point at a place and see where it looks, by layer and head."""
    from avbench.viewing import view

    view(name, image, checkpoint, res, params, out)


@app.command()
def doctor(
    as_json: Json = False,
    threads: Annotated[int | None, typer.Option(help="Of the CPU; by default all.")] = None,
    noise: Annotated[bool, typer.Option("--noise", help="Measure what difference a sweep can see here.")] = False,
    minutes: Annotated[float, typer.Option(help="For --noise.")] = 2.0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1; by default cuda where there is one.")] = "",
) -> None:
    """This machine: versions, devices, free memory, how fast it is, and how noisy."""
    from avbench.checking import show_doctor

    show_doctor(threads, as_json, minutes if noise else None, device)


@app.command()
def gate(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Cases, recipes, or package.module:NAME; none: the table. `init`: set up."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Parameters, multiply-adds, operators and bytes, equal or not.")
    ] = False,
    base: Annotated[str, typer.Option(help="The latency tier: the revision to compare with.")] = "",
    head: Annotated[str, typer.Option(help="The revision that is judged; by default HEAD.")] = "",
    accept: Annotated[bool, typer.Option("--accept", help="Take the exact figures as expected from now on.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the file.")] = "",
    triples: Annotated[int, typer.Option(help="Of processes: base, base, head; at least.")] = 10,
    threads: Annotated[int, typer.Option(help="Of the CPU, for latency.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Of the order of processes and blocks.")] = None,
    input: Annotated[str, typer.Option(help="The shape of the input of what is named, such as 1,196,192.")] = "",
    out: Annotated[Path, typer.Option(help="The folder for JSON, JUnit XML and Markdown.")] = Path("gate"),
) -> None:
    """Performance regressions: exit code 0 pass, 1 regression, 2 usage, 3 inconclusive, 4 nothing measured."""
    from avbench.gating import Gate, run

    asked = Gate(tuple(names or ()), base, head, exact, accept, reason, triples, threads, seed, input, out)
    raise typer.Exit(run(asked))


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and exits: 0, 2 on an error of the user, 130 on Ctrl-C."""
    try:
        app(arguments)
    except (ValueError, OSError) as error:
        from reports.escape import printable

        print(f"avbench: {printable(sentence(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def sentence(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}"
    return " ".join(str(error).split())
