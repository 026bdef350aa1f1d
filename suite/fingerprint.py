"""What a machine is (identity), and how it was (conditions).

Records of different identity are never ranked together; conditions are only kept.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import torch

from suite.machine import available_bytes, default_threads
from suite.process import allocator

ROOT = Path(__file__).resolve().parent.parent
GPU_NOW = "clocks.sm clocks.mem clocks.max.sm power.limit power.draw temperature.gpu".split()


def fingerprint(device: str = "cpu") -> dict[str, dict[str, Any]]:
    """What must match for two measurements to be compared (identity), and what is only kept (conditions)."""
    return {"identity": dict(_identity(device)), "conditions": _conditions(device)}


@functools.cache
def _identity(device: str) -> tuple[tuple[str, str], ...]:
    model, flags = _processor()
    found = {
        "cpu": model,
        "arch": platform.machine(),
        "cores": str(psutil.cpu_count(logical=False) or os.cpu_count()),
        "processors": str(default_threads()),  # that this process may use
        "flags": hashlib.sha256(flags.encode()).hexdigest()[:8],
        "simd": torch.backends.cpu.get_cpu_capability(),
        "os": platform.system(),
        "allocator": allocator(),
        "torch": torch.__version__,
        "build": str(torch.version.git_version)[:10] + (" debug" if torch.version.debug else ""),
        "blas": _blas(torch.__config__.show()),
        "sdpa": _sdpa(),
    }
    return tuple((found | (_gpu(device) if device != "cpu" else {})).items())


def _blas(config: str) -> str:
    """The libraries that multiply matrices and convolve, with their versions, as torch was built: `mkl 2024.2 ...`."""
    name = re.search(r"BLAS_INFO=(\w+)", config)
    mkl = re.search(r"Math Kernel Library Version ([\d.]+)", config)
    onednn = re.search(r"MKL-DNN v([\d.]+)", config)
    words = [name[1] if name else "unknown", mkl[1] if mkl else "", f"onednn {onednn[1]}" if onednn else ""]
    return " ".join(word for word in words if word)


def _sdpa() -> str:
    """The kernels that scaled_dot_product_attention may choose from."""
    kernels = {
        "flash": torch.backends.cuda.flash_sdp_enabled(),
        "efficient": torch.backends.cuda.mem_efficient_sdp_enabled(),
        "cudnn": torch.backends.cuda.cudnn_sdp_enabled(),
        "math": torch.backends.cuda.math_sdp_enabled(),
    }
    return " ".join(name for name, enabled in kernels.items() if enabled)


def _gpu(device: str) -> dict[str, str]:
    return {
        "gpu": torch.cuda.get_device_name(device),
        "driver": _nvidia_smi(device, ["driver_version"])["driver_version"],
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        "precision": torch.get_float32_matmul_precision(),
    }


def _conditions(device: str) -> dict[str, Any]:
    now: dict[str, Any] = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "steal_s": getattr(psutil.cpu_times(), "steal", None),
        "governor": _text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) or None,
        "quota": _text(Path("/sys/fs/cgroup/cpu.max")) or None,
        "memory_bytes": psutil.virtual_memory().total,
        "available_bytes": available_bytes(),
    }
    gpu = {} if device == "cpu" else {"gpu_available_bytes": available_bytes(device)} | _nvidia_smi(device, GPU_NOW)
    return now | gpu | dict(_source())


def _nvidia_smi(device: str, fields: list[str]) -> dict[str, str]:
    """What the driver's own tool says of this device, by its id, since it may number devices otherwise than torch."""
    uuid = torch.cuda.get_device_properties(device).uuid
    query = [f"--id=GPU-{uuid}", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    values = [value.strip() for value in _output("nvidia-smi", *query).split(",")]
    return dict(zip(fields, values if len(values) == len(fields) else [""] * len(fields), strict=True))


@functools.cache
def _source() -> tuple[tuple[str, Any], ...]:
    """The commit of this checkout, whether it was edited since, and the hash of its constraints, where they exist."""
    git = functools.partial(_output, "git", "-C", str(ROOT))
    commit = git("rev-parse", "--short=12", "HEAD") if (ROOT / ".git").exists() else ""
    lock = _text(ROOT / "constraints.txt")
    return (
        ("commit", commit or None),
        ("dirty", bool(git("status", "--porcelain")) if commit else None),
        ("lock", hashlib.sha256(lock.encode()).hexdigest()[:12] if lock else None),
    )


def _processor() -> tuple[str, str]:
    """Model and flags, from /proc/cpuinfo where there is one."""
    lines = _text(Path("/proc/cpuinfo")).split("\n\n")[0].splitlines()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = found.get("model name") or _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    return name or platform.machine(), found.get("flags") or found.get("Features") or sys.platform


def _output(*command: str) -> str:
    """What a command prints; nothing if it is missing, fails, or takes over five seconds."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
