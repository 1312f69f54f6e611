"""The texts and bytes inside a column, however it is nested."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc


def texts(column: pa.ChunkedArray, name: str) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Leaves of a column that are text or bytes, each with its path."""
    kind = column.type
    if pa.types.is_struct(kind):
        for field in kind:
            yield from texts(pc.struct_field(column, field.name), f"{name}.{field.name}")
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from texts(pc.list_flatten(column), name)
    elif pa.types.is_dictionary(kind):
        chunks = [chunk.dictionary for chunk in column.chunks]
        yield from texts(pa.chunked_array(chunks, kind.value_type), name)
    elif any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)):
        yield name, column
