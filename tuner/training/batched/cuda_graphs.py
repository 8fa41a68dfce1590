"""CUDA graphs: a training step is captured once and replayed, which spares the launching of its many kernels.

What a graph asks of a step: it reads and writes the same tensors each time, never waits for the device, and takes
no way in Python that depends on what happened before.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Hashable
from typing import ClassVar, Protocol

import torch

from tuner.training.device import is_memory_tight

logger = logging.getLogger("tuner")

Step = Callable[[], None]

WARM_UP_STEPS = 3
"""Steps before a capture, as in `torch.cuda.make_graphed_callables`. They train like any other."""


class Recorder(Protocol):
    """Runs steps, and captures one."""

    def run(self, step: Step) -> None:
        """Run a step as it must run before a capture."""
        ...

    def check(self, step: Step) -> None:
        """Run a step; raise where it cannot be captured."""
        ...

    def capture(self, step: Step) -> Step:
        """Return what repeats a step, without running it now."""
        ...


class CudaRecorder:
    """Captures on a CUDA device, on a side stream or a lane's, on which the steps before the capture run, too."""

    def __init__(self, device: torch.device, stream: torch.cuda.Stream | None = None) -> None:
        """stream: of the lane, whose neighbours are not to wait for a capture; None where nothing else trains."""
        self.has_neighbours = stream is not None
        self.stream = stream or torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run(self, step: Step) -> None:
        """Run a step on the side stream; the present stream waits for it."""
        present = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(present)
        try:
            with torch.cuda.stream(self.stream):
                step()
        finally:
            present.wait_stream(self.stream)

    def check(self, step: Step) -> None:
        """Run a step; raise where the host waits for the device: a failed capture is worse to clean up after."""
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype", UserWarning)
            torch.cuda.set_sync_debug_mode("error")
        try:
            self.run(step)
        finally:
            torch.cuda.set_sync_debug_mode(before)

    def capture(self, step: Step) -> Step:
        """Return the replay of a graph. Random numbers are drawn anew at each, from the default generator.

        A capture that fails leaves the generator in it, so its state is put back. A capture takes new memory: kept
        memory is given up before it where it might run short, for which the device must come to rest.
        Other threads may use CUDA meanwhile ("thread_local").
        """
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self.stream.device_index]
        spare = generator.clone_state()
        if not self.has_neighbours or is_memory_tight(self.stream.device):
            torch.cuda.synchronize(self.stream.device)
            torch.cuda.empty_cache()
        try:
            # `torch.cuda.graph` would let the whole device come to rest each time.
            with torch.cuda.stream(self.stream):
                graph.capture_begin(capture_error_mode="thread_local")
                try:
                    step()
                finally:
                    graph.capture_end()
        except Exception:
            generator.graphsafe_set_state(spare)
            raise
        replay: Step = graph.replay
        return replay


class StepGraph:
    """Repeats a step: a few times as it is, then as a captured graph. Where that fails, as it is."""

    refused: ClassVar[dict[Hashable, str]] = {}
    """Structures whose steps could not be captured, which is not tried again, and the names of their networks."""

    def __init__(self, structure: Hashable, name: str, recorder: Recorder | None) -> None:
        """name: the network's, for the warning; recorder: None where there are no graphs."""
        self.structure = structure
        self.name = name
        self.recorder = None if structure in self.refused else recorder
        self.take: Callable[[Step], None] = _take
        self.forget()

    def forget(self) -> None:
        """Drop the graph: tensors were exchanged, or the step takes another way."""
        self.replay: Step | None = None
        self.n_warm = 0

    @property
    def captures(self) -> bool:
        """Whether steps are captured."""
        return self.recorder is not None

    @property
    def is_settled(self) -> bool:
        """Whether the next run is like all later ones."""
        return self.recorder is None or self.replay is not None

    def run(self, step: Step) -> None:
        """Take a step: the same function each time, until `forget`."""
        if self.replay is not None:
            self.replay()
        elif self.recorder is None:
            self.take(step)
        elif self.n_warm < WARM_UP_STEPS - 1:
            self.recorder.run(step)
        else:
            self._approach(step, self.recorder)
        self.n_warm += 1

    def _approach(self, step: Step, recorder: Recorder) -> None:
        """Take the step that is checked before the capture; or capture, and take the first step after it."""
        try:
            if self.n_warm < WARM_UP_STEPS:
                recorder.check(step)
            else:
                self.replay = recorder.capture(step)
                self.replay()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            self._give_up(error, recorder)
            self.take(step)

    def _give_up(self, error: Exception, recorder: Recorder) -> None:
        """Go on without graphs, as steps ran before a capture: on their stream. Say so once for each name."""
        self.forget()
        self.recorder, self.take = None, recorder.run
        said = self.name in self.refused.values()
        self.refused[self.structure] = self.name
        if not said:
            logger.warning("Steps of %s run without a CUDA graph, which is slower: %s", self.name, error)


def _take(step: Step) -> None:
    """Run a step."""
    step()


def make_recorder(device: torch.device, stream: torch.cuda.Stream | None = None) -> Recorder | None:
    """Return a recorder for a CUDA device, None for others; stream: the lane's, None where nothing else trains."""
    return CudaRecorder(device, stream) if device.type == "cuda" else None
