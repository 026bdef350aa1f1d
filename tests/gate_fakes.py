"""A stranger's package for the tests of the gate: a module, ways to make it worse, and a repository around it."""

from __future__ import annotations

import subprocess
from pathlib import Path

MODULE = """
import torch
from torch import nn
from torch.nn import functional as F


class Mixing(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.to_qkv(x)[:, None].chunk(3, -1)
        out = F.scaled_dot_product_attention(q, k, v)[:, 0]
        return self.to_out(out)
"""
TABLE = """
[[tool.avbench.gate.case]]
make = "mixing:Mixing"
name = "mixing"
input = [2, 12, 16]
"""
MUTATIONS = {  # what is planted, and a figure that must tell
    "one more operator": (("        return self.to_out(out)", "        return self.to_out(out).neg()"), "calls of neg"),
    "one more matmul": (("        return self.to_out(out)", "        return self.to_out(self.to_out(out))"), "macs"),
    "one more byte an element": (
        ("        q, k, v", "        kept = torch.empty_like(x, dtype=torch.int8)\n        q, k, v"),
        "peak_bytes",
    ),
    "the plain form": (
        ("F.scaled_dot_product_attention(q, k, v)[:, 0]", "((q @ k.mT / 4).softmax(-1) @ v)[:, 0]"),
        "calls of _scaled_dot_product_flash_attention_for_cpu",
    ),
    "one more parameter": (
        ("nn.Linear(dim, dim)\n", "nn.Linear(dim, dim)\n        self.more = nn.Parameter(torch.ones(1))\n"),
        "params",
    ),
}


def mutated(name: str) -> str:
    """The module with one change."""
    (before, after), _ = MUTATIONS[name]
    assert before in MODULE
    return MODULE.replace(before, after)


def repository(folder: Path, module: str = MODULE, table: str = TABLE) -> Path:
    """A repository with one commit."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "pyproject.toml").write_text(table)
    return commit(folder, module)


def commit(folder: Path, module: str) -> Path:
    """One more commit, with this module."""
    (folder / "mixing.py").write_text(module)
    git(folder, "add", "mixing.py", "pyproject.toml")
    git(folder, "commit", "-q", "--allow-empty", "-m", "a change")
    return folder


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)
