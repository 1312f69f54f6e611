"""The profile of a voice: what the global captions of one Segment say in their fields, by majority.

Enters: the candidates of granularity `global`. Leaves: a `Profile`, and for each field that the captions fill
without agreeing why it stays empty. Pure.
"""

from collections import Counter
from collections.abc import Iterable

from fcaps_pipeline.records.annotations import Candidate, Missing
from fcaps_pipeline.records.captions import GlobalCaption, Profile

_UNKNOWN = "unknown"


def vote(candidates: Iterable[Candidate]) -> tuple[Profile, tuple[Missing, ...]]:
    """Every candidate with nothing against it has one vote a field, whether or not others were preferred to it."""
    voters = [one.attributes for one in candidates if one.verdict.passed and one.attributes is not None]
    ballots = {field: _ballot(voters, field) for field in Profile.model_fields}
    winners = {field: _majority(ballot) for field, ballot in ballots.items()}
    missing = tuple(
        Missing(field=field, reason=_why(ballots[field]))
        for field, winner in winners.items()
        if winner is None and voters
    )
    return Profile(**winners), missing


def _ballot(voters: list[GlobalCaption], field: str) -> Counter[str]:
    return Counter(str(getattr(voter, field)) for voter in voters)


def _majority(ballot: Counter[str]) -> str | None:
    """The value of more than half of the votes, unless it says that nothing is known."""
    if not ballot:
        return None
    value, count = ballot.most_common(1)[0]
    return value if 2 * count > ballot.total() and value != _UNKNOWN else None


def _why(ballot: Counter[str]) -> str:
    if 2 * ballot[_UNKNOWN] > ballot.total():
        return _UNKNOWN
    votes = sorted(ballot.items(), key=lambda item: (-item[1], item[0]))
    return "no majority: " + ", ".join(f"{value} {count}" for value, count in votes)
