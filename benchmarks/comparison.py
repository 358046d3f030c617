"""Ratios of wall times at equal true error, read off the rows of one run.

Every choice is in the peer's favour: its time at an error between two of its runs is interpolated
(log-log, on the front of its best runs), while ours is that of a run which was made, the fastest
one at least as accurate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.measure import Row
from benchmarks.runs import FOKKER_PLANCK_PACKAGES, LINES, OURS

#: the claims: ratio wanted, true error where it is wanted
PACKAGES_RATIO, PACKAGES_ERROR = 100.0, 1e-5
LINES_RATIO, LINES_ERROR = 2.0, 1e-9


@dataclass(frozen=True)
class Ratio:
    """How much faster this project is than a peer at one true error, and what was wanted."""

    case: str
    peer: str
    error: float
    peer_seconds: float
    our_seconds: float
    wanted: float | None
    peer_prepare_seconds: float = 0.0

    @property
    def value(self) -> float:
        return self.peer_seconds / self.our_seconds

    @property
    def with_preparation(self) -> float:
        """The ratio if the peer's preparation (for py-pde: compilation) counts as its time."""
        return (self.peer_seconds + self.peer_prepare_seconds) / self.our_seconds

    @property
    def met(self) -> bool | None:
        return None if self.wanted is None else self.value >= self.wanted


def front(rows: list[Row]) -> list[Row]:
    """Return the rows that no other beats in both time and error, fastest first."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.seconds, row.true_error)):
        if math.isfinite(row.true_error) and (not kept or row.true_error < kept[-1].true_error):
            kept.append(row)
    return kept


def time_at(rows: list[Row], error: float) -> float | None:
    """Return the time at which the front reaches ``error``, interpolated; None if it never does."""
    best = front(rows)
    if not best or best[-1].true_error > error:
        return None
    if best[0].true_error <= error:
        return best[0].seconds
    after = next(k for k, row in enumerate(best) if row.true_error <= error)
    a, b = best[after - 1], best[after]
    share = math.log(a.true_error / error) / math.log(a.true_error / b.true_error)
    return math.exp((1 - share) * math.log(a.seconds) + share * math.log(b.seconds))


def our_time_at(rows: list[Row], error: float) -> float | None:
    """Return the time of our fastest run with a true error of at most ``error``."""
    times = [row.seconds for row in rows if row.true_error <= error]
    return min(times, default=None)


def ratios(rows: list[Row]) -> list[Ratio]:
    """Return all comparisons of a run: each package on its front, and the lines at 1e-9."""
    found = []
    for case in dict.fromkeys(row.case for row in rows):
        here = [row for row in rows if row.case == case]
        ours = [row for row in here if row.package == OURS]
        packages = [row for row in here if row.package in FOKKER_PLANCK_PACKAGES]
        # the fastest package at its error: only rows on the common front of all packages
        for row in front(packages):
            mine = our_time_at(ours, row.true_error)
            if mine is not None:
                wanted = PACKAGES_RATIO if row.true_error <= PACKAGES_ERROR else None
                found.append(
                    Ratio(
                        case,
                        f"{row.package} ({row.settings})",
                        row.true_error,
                        row.seconds,
                        mine,
                        wanted,
                        row.prepare_seconds,
                    )
                )
        lines = time_at([row for row in here if row.package == LINES], LINES_ERROR)
        mine = our_time_at(ours, LINES_ERROR)
        if lines is not None and mine is not None:
            found.append(Ratio(case, LINES, LINES_ERROR, lines, mine, LINES_RATIO))
    return found


def single_ratios(rows: list[Row]) -> list[Ratio]:
    """Return the ratio of every peer by itself: packages at 1e-5, methods of lines at 1e-9."""
    found = []
    for case in dict.fromkeys(row.case for row in rows):
        here = [row for row in rows if row.case == case]
        ours = [row for row in here if row.package == OURS]
        peers: dict[str, list[Row]] = {}
        for row in here:
            if row.package in FOKKER_PLANCK_PACKAGES:
                peers.setdefault(row.package, []).append(row)
            elif row.package == LINES:
                peers.setdefault(f"{LINES}, {row.settings.split(',')[0]}", []).append(row)
        for name, its in peers.items():
            error = LINES_ERROR if its[0].package == LINES else PACKAGES_ERROR
            mine, seconds = our_time_at(ours, error), time_at(its, error)
            if mine is not None and seconds is not None:
                found.append(Ratio(case, name, error, seconds, mine, None))
    return found
