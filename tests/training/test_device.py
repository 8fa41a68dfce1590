"""A CPU's matrix products and memory."""

import contextlib
import ctypes
import subprocess
import sys
import time

import pytest
import torch
from samples import make_data, make_settings

import tuner.training.pack as pack_module
from tuner.training import device
from tuner.training.pack import Member, Pack

CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch):
    """Let `prefers_onednn` find these errors and seconds: torch's own choice first, then oneDNN's."""

    def put(own, onednn):
        results = iter([own, onednn])
        monkeypatch.setattr(device, "_judge_products", lambda *_: next(results))
        device.prefers_onednn.cache_clear()

    yield put
    device.prefers_onednn.cache_clear()


@pytest.mark.parametrize(
    ("own", "onednn", "preferred"),
    [
        ((1e-5, 1.0), (1e-5, 0.5), True),
        ((1e-5, 1.0), (1e-5, 0.95), False),  # hardly faster
        ((1e-5, 1.0), (1e-2, 0.1), False),  # rounded to bfloat16
    ],
)
def test_onednn_multiplies_where_it_is_faster_and_as_exact(own, onednn, preferred, measured):
    measured(own, onednn)
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    with device.fast_products(CPU):
        assert (matmul.fp32_precision != before) == preferred
    assert matmul.fp32_precision == before


def test_products_as_preferred_here_are_exact():
    a, b = (torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in range(2))
    with device.fast_products(CPU):
        product = torch.bmm(a, b)
    torch.testing.assert_close(product, (a.double() @ b.double()).float(), rtol=1e-5, atol=1e-4)


def test_a_pack_trains_and_scores_with_fast_products_and_keeps_memory(monkeypatch):
    called = []
    monkeypatch.setattr(pack_module, "keep_freed_memory", lambda: called.append("memory"))

    @contextlib.contextmanager
    def note(_device):
        called.append("products")
        yield

    monkeypatch.setattr(pack_module, "fast_products", note)
    settings, data = make_settings(), make_data()
    pack = Pack(settings, data, n_epochs=2)
    assert called == ["memory"]
    pack.admit(Member(0, settings, seed=0))
    pack.train_epoch()
    assert called[1:] == ["products"]
    pack.score(data.validation_x)
    assert called[1:] == ["products"] * 2
    pack.time_step()
    assert called[1:] == ["products"] * 3


@pytest.mark.parametrize(
    ("threads", "kind", "clock"), [(1, "cpu", "thread_time"), (2, "cpu", "perf_counter"), (1, "cuda", "perf_counter")]
)
def test_a_step_of_one_thread_is_timed_by_that_threads_own_time(threads, kind, clock):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert device.choose_clock(torch.device(kind)) is getattr(time, clock)
    finally:
        torch.set_num_threads(before)


STEPS = """
import ctypes
import torch
from tuner.training.device import keep_freed_memory


class Heap(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]


look = ctypes.CDLL(None).mallinfo2
look.restype = Heap
assert keep_freed_memory()
n_mapped = look().hblks
tensors = [torch.ones(2**20) for _ in range(8)]  # of 4 MB
n_mapped = look().hblks - n_mapped
tensors = []
print(n_mapped, look().fordblks >= 8 * 2**22)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="this C library does not tell of its heap")
def test_freed_memory_is_kept():
    """Tensors lie in the heap, which keeps what they leave: given back, it costs thousands of page faults each time."""
    said = subprocess.run([sys.executable, "-c", STEPS], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["0", "True"]
