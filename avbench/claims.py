"""`--claims`: the requests that the survey's verdicts need, as their own commands write them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import fields, replace

import typer

from avbench.request import Request
from reports.claims.verdicts import CLAIMS

EFFORT = ("device", "threads", "rounds", "minutes", "case_seconds", "memory", "params")  # the user's, for all


def requests(asked: Request) -> Iterator[Request]:
    """One for each command of a claim, with the device and the effort that were asked for where it names none."""
    usual = Request()
    for command in (command for claim in CLAIMS for command in claim.commands):
        stated = parsed(command)
        free = [name for name in EFFORT if getattr(stated, name) == getattr(usual, name)]
        yield replace(stated, **{name: getattr(asked, name) for name in free})


def parsed(command: str) -> Request:
    """The request of a command such as `sweep vit --res 64`."""
    from avbench.cli import app

    name, *words = shlex.split(command)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group
    with commands[name].make_context(name, words) as context:
        return Request(**{f.name: context.params[f.name] for f in fields(Request)})
