"""What people made of captions in Label Studio, as a table of overrides.

Enters: an export of Label Studio (JSON) of tasks that `labelstudio` wrote. Leaves: a correction for each caption that
is not what it was, as an Override that a build applies; one that was cleared is deleted. Of several annotations of a
task the last counts; cancelled ones do not.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.export.labelstudio import REASON
from fcaps_pipeline.release.overrides import Override
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.path import store_path


class _Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Result(_Foreign):
    from_name: str = ""
    value: dict[str, Any] = Field(default_factory=dict)

    @property
    def text(self) -> str | None:
        """What stands in an area; None where it is no text."""
        lines = self.value.get("text")
        lines = [lines] if isinstance(lines, str) else lines
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            return None
        return "\n".join(lines)


class _User(_Foreign):
    id: int | None = None
    email: str | None = None


class _Annotation(_Foreign):
    completed_by: _User | int | str | None = None
    was_cancelled: bool = False
    created_at: str = ""
    updated_at: str = ""
    result: tuple[_Result, ...] = ()

    @property
    def time(self) -> str:
        """When it was last changed."""
        return self.updated_at or self.created_at

    @property
    def author(self) -> str:
        """Address of who made it, else its number in Label Studio."""
        who = self.completed_by
        if isinstance(who, _User):
            return who.email or f"user {who.id}"
        return f"user {who}" if isinstance(who, int) else who or "unknown"


class _Data(_Foreign):
    segment_id: str
    captions: dict[str, str]


class _Task(_Foreign):
    id: int | None = None
    data: _Data
    annotations: tuple[_Annotation, ...] = ()


def read_corrections(path: Path) -> Iterator[Override]:
    """The corrections in an export of Label Studio, in the order of its tasks.

    Raises:
        UsageError: it is not such an export, or not of tasks of `fcaps export`.
        CorruptRunError: it is not JSON.
    """
    content = read_json(store_path(path))
    if content is None:
        raise UsageError(f"{path} does not exist; give the JSON that Label Studio exported")
    if not isinstance(content, list):
        raise UsageError(f"{path} holds no list of tasks; export from Label Studio as JSON (not JSON-MIN)")
    for number, one in enumerate(content, 1):
        try:
            task = _Task.model_validate(one)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(
                f"{path}: task {number} has no usable {where} ({first['msg']}); export the tasks that `fcaps export "
                "--format labelstudio` wrote, as JSON (not JSON-MIN)"
            ) from error
        yield from _of_task(task)


def _of_task(task: _Task) -> Iterator[Override]:
    made = [one for one in task.annotations if not one.was_cancelled]
    if not made:
        return
    last = max(made, key=lambda one: one.time)
    texts = {one.from_name: one.text for one in last.result}
    for name, old in task.data.captions.items():
        new = texts.get(name)
        if new is not None and new.strip() == old.strip():
            continue
        granularity = name.partition("_")[0]
        yield Override(
            segment_id=task.data.segment_id,
            granularity="global" if granularity == "global" else "fine",
            old_text=old,
            new_text=new if new is not None and new.strip() else "",
            author=last.author,
            reason=texts.get(REASON) or "corrected in Label Studio",
            time=last.time or "unknown",
        )
