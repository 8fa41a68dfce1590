"""Which device trains, and in which precision."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import time
from collections.abc import Callable, Iterator

import torch

from tuner.errors import DeviceError


def find_device(name: str | None = None) -> torch.device:
    """Return the named device; without a name a GPU where there is one, else the CPU. Raise `DeviceError`."""
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        n_gpus = torch.cuda.device_count()
        there = ", ".join(["cpu", *(f"cuda:{i}" for i in range(n_gpus))])
        raise DeviceError(f'`device` must be available here, but is "{name}". Available: {there}.') from error
    return device


def name_device(device: torch.device) -> str:
    """Return the model of a GPU; the kind of any other device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def keep_random_state(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return a context after which torch's random state, on the CPU and on this device, is as it was before."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return the context of a forward pass: bfloat16 on a CUDA device that has it, float32 elsewhere.

    Casts are not cached: in a CUDA graph they must not be, and a pass uses a parameter once.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False)
    return contextlib.nullcontext()


NO_MEMORY = ("can't allocate memory", "not enough memory")
"""What torch's allocator for CPUs says where there is none, on Linux and elsewhere."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out: torch has its own for GPUs and a message for CPUs."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in NO_MEMORY)


def find_free_memory(device: torch.device) -> int:
    """Return the bytes of a CUDA device that this process may still take from it."""
    free, total = torch.cuda.mem_get_info(device)
    allowed = int(torch.cuda.get_per_process_memory_fraction(device) * total)
    return min(free, allowed - torch.cuda.memory_reserved(device))


def is_memory_tight(device: torch.device) -> bool:
    """Whether a CUDA device might run short if a process took as much memory again as it has now, twice."""
    return find_free_memory(device) < 2 * torch.cuda.memory_reserved(device)


def has_memory_for_another(device: torch.device, n_packs: int) -> bool:
    """Whether a device has memory for one more pack: a GPU where twice is free of what one has now on the average.

    Args:
        device: Where they train.
        n_packs: Packs that train on it in this process, at least 1.
    """
    return device.type != "cuda" or find_free_memory(device) >= 2 * torch.cuda.memory_reserved(device) / n_packs


# A CPU's matrix products and memory.

KEEPING = {-3: 2**25, -1: 2**31 - 1, -2: 2**26}
"""What glibc's `mallopt` is told: M_MMAP_THRESHOLD (32 MB is the most), M_TRIM_THRESHOLD and M_TOP_PAD, in bytes."""


@functools.cache
def keep_freed_memory() -> bool:
    """Have the C library keep freed memory for this process; return whether it can, as glibc can.

    A step frees some megabytes and asks for them again. Given back to the system in between, they come as fresh
    pages, which the system fills with zeros: up to two thirds of a step's time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    results = [mallopt(name, value) for name, value in KEEPING.items()]
    return all(results)


@contextlib.contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """Let oneDNN multiply matrices on a CPU where that is faster than what torch takes, and as exact."""
    if device.type != "cpu" or not prefers_onednn():
        yield
        return
    with _onednn_products():
        yield


@contextlib.contextmanager
def _onednn_products() -> Iterator[None]:
    """Give float32 products to oneDNN, which torch does only where it may round them to bfloat16."""
    settings = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = settings.fp32_precision
    settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before


@functools.cache
def prefers_onednn() -> bool:
    """Measure whether oneDNN multiplies float32 matrices faster than torch's own choice, and as exactly.

    torch calls MKL, which takes AVX2 on an AMD processor that has AVX-512; oneDNN takes AVX-512. Where a processor
    has units for bfloat16 matrices, oneDNN would use them: that is not as exact, and is refused.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, 256, 256, generator=generator, dtype=torch.float64) for _ in range(2))
    exact = a @ b
    a, b = a.float(), b.float()
    own_error, own_seconds = _judge_products(a, b, exact)
    with _onednn_products():
        error, seconds = _judge_products(a, b, exact)
    return error < 2 * own_error and seconds < WORTHWHILE * own_seconds


def choose_clock(device: torch.device) -> Callable[[], float]:
    """Return the clock that times steps on a device, in seconds.

    Where one CPU thread does all the work, it is that thread's own time: under load, wall time multiplies long steps
    and spares short ones that end before another process gets its turn, so that packs seem slower than they are.
    """
    if device.type == "cpu" and torch.get_num_threads() == 1:
        return time.thread_time
    return time.perf_counter


WORTHWHILE = 0.85
"""Products are given to oneDNN where they take less than this share of the time."""


def _judge_products(a: torch.Tensor, b: torch.Tensor, exact: torch.Tensor) -> tuple[float, float]:
    """Return the largest error of a product and the seconds of the fastest of a few."""
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        product = a @ b
        seconds.append(time.perf_counter() - start)
    return float((product - exact).abs().max()), min(seconds)
