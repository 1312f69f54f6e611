"""What happens to the replicas of a cluster in each case of `fcaps bench scale`. Times are simulated seconds."""

from dataclasses import dataclass
from enum import Enum

EVEN, UNEVEN = 0.35, 1.0
"""Spreads of the lognormal times that clips take."""
_LATE_REPLICAS = 10
_LOST_REPLICAS = 5
_FAULT_AT_S = 5.0
_ABSENT_S = 180.0
_HUNG_S = 300.0
"""Long enough for a lease of five times the slowest answers to end, and for a new engine to start."""
RESTART_S = 60.0
"""A replica that died or was found hanging answers again after so long."""


_AIM_WITH_FAULTS = 0.95
_AT_ONCE = 1000.0


class Fault(Enum):
    """What happens to a replica."""

    NODE_LOST = "its node is lost"
    HANGS = "it answers nothing any more"


@dataclass(frozen=True)
class Part:
    """What one replica does in a case."""

    speed: float = 1.0
    joins_s: float = 0.0
    fault: Fault | None = None
    """At `_FAULT_AT_S` after the measurement began."""
    back_after_s: float | None = None
    """None where it stays away, or comes back when it is found out."""


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    num_replicas: int
    parts: tuple[Part, ...]
    spread: float = EVEN
    num_poisoned: int = 0
    """Clips that take down whoever is asked about them."""
    measured_s: float = 20.0
    aim: float | None = 0.97
    """Busy share to reach; None where engines are not meant to be busy."""

    @property
    def kills(self) -> bool:
        """Whether an engine has to be replaced before the measurement ends."""
        return self.num_poisoned > 0 or any(part.fault is Fault.HANGS for part in self.parts)

    @property
    def fault_at_s(self) -> float:
        """When its fault strikes, from the beginning of the measurement."""
        return _FAULT_AT_S


def cases(num_replicas: int) -> tuple[Case, ...]:
    """All cases with so many replicas."""
    at_once = (Part(speed=_AT_ONCE),) * num_replicas
    plain, rest = Part(), (Part(),) * (num_replicas - 1)
    absent = Part(fault=Fault.NODE_LOST, back_after_s=_ABSENT_S)
    num_lost = min(_LOST_REPLICAS, num_replicas - 1)
    lost = (Part(fault=Fault.NODE_LOST),) * num_lost
    late = (Part(joins_s=_FAULT_AT_S),) * _LATE_REPLICAS
    halves = tuple(Part(speed=0.5 if index % 2 else 1.0) for index in range(num_replicas))

    def case(name: str, parts: tuple[Part, ...], **changes: float | None) -> Case:
        return Case(name, num_replicas, parts, **changes)  # type: ignore[arg-type]

    return (
        case("plain", (plain, *rest)),
        case("uneven clips", (plain, *rest), spread=UNEVEN),
        case("half at half speed", halves),
        case("one absent for three minutes", (absent, *rest), measured_s=_ABSENT_S + 15.0, aim=_AIM_WITH_FAULTS),
        case("one hung", (Part(fault=Fault.HANGS), *rest), measured_s=_HUNG_S, aim=_AIM_WITH_FAULTS),
        case(f"{num_lost} lost for good", (*lost, *rest[num_lost - 1 :]), aim=_AIM_WITH_FAULTS),
        case("ten joining late", (plain, *rest, *late), aim=_AIM_WITH_FAULTS),
        case("three poisoned clips", (plain, *rest), num_poisoned=3, measured_s=90.0, aim=_AIM_WITH_FAULTS),
        case("all answering at once", at_once, aim=None),
    )
