"""What every benchmark here shares: made-up texts, clocks, the machine's facts, a measure over rounds."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

QUESTIONS = [
    "What is being reviewed?",
    "How does the writer feel?",
    "Where did it happen?",
    "Which aspect does the writer comment on?",
    "Who wrote this?",
    "What went wrong?",
    "What does the customer need?",
    "Is it about the past, the present or the future?",
    "What is the purpose of the message?",
    "What should be done next?",
]
WORDS = """
the a of and to in we was it for on that with as they had at this but not is were from by an be have or her his
room staff service food price time night day week order table water phone bed door street breakfast dinner coffee
shop train flight hotel city year manager waiter driver doctor ticket screen battery sound shoe size colour
good bad cold warm late early clean dirty friendly rude slow quick cheap expensive broken lovely quiet loud small
arrived waited asked told paid left found worked stopped called returned replaced promised opened closed missed
never always again twice almost only very quite rather still soon finally because after before while although
"""
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
"""Seconds that pass, or seconds that this process' threads work: the same on a quiet machine with one thread, and
on a busy one only the second says something about the program."""


@dataclass(frozen=True)
class Measured:
    """Seconds or ratios over rounds: the median and the range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Measured:
        """The measure of one value per round."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}]"


def corpus(texts: int, median_words: float, spread: float, longest: int) -> list[str]:
    """Texts whose lengths in words are log-normal, cut at ``longest``; the same for the same arguments."""
    rng = np.random.default_rng(0)
    words = WORDS.split()
    lengths = np.clip(rng.lognormal(np.log(median_words), spread, texts), 3, longest).astype(int)
    return [" ".join(rng.choice(words, n)).capitalize() + "." for n in lengths]


def timed(call: Callable[[], object], clock: str = "wall") -> float:
    """Seconds that a call takes by a clock of CLOCKS."""
    now = CLOCKS[clock]
    start = now()
    call()
    return now() - start


def machine(*packages: str) -> dict[str, str]:
    """What the numbers depend on, the load of other processes included."""
    facts = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
    }
    if hasattr(os, "getloadavg"):
        facts["load before"] = f"{os.getloadavg()[0]:.1f}"
    for package in packages:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
