"""Messages are readable at any width, and can be searched in a log."""

import io
import re
import unicodedata

from rich.panel import Panel
from rich.table import Column, Table

from fcaps_pipeline.cli.console import Stream

PATH = "/corpus/" + "very-long-" * 10 + "name.wav"
TEXT = f"error: {PATH} cannot be read: the file is empty; restore it, or leave it out with another manifest"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_a_terminal_breaks_lines_between_words_and_never_inside_a_path() -> None:
    terminal = Terminal()
    Stream(file=terminal, width=80).say(TEXT)
    lines = terminal.getvalue().splitlines()
    assert [line for line in lines if len(line.rstrip()) > 80] == [line for line in lines if PATH in line]
    assert " ".join(line.strip() for line in lines) == TEXT


def test_a_log_has_the_whole_line() -> None:
    log = io.StringIO()
    Stream(file=log, width=80).say(TEXT)
    assert log.getvalue() == TEXT + "\n"


def test_a_table_is_rather_wider_than_the_terminal_than_breaks_a_path() -> None:
    terminal = Terminal()
    table = Table(Column("path", no_wrap=True), "why")
    table.add_row(PATH, "the file is empty and nothing can be read from it")
    Stream(file=terminal, width=80).show(table)
    assert PATH in terminal.getvalue()


def test_tables_of_a_page_fit_a_terminal_and_stay_markdown_in_a_file() -> None:
    row = "| fine, speech to text | 200 | 62.5 [50.0, 75.0] | 87.5 [75.0, 100.0] | 95.0 [90.0, 100.0] |"
    page = f"retrieval\n\n| captions | queries | R@1 % | R@5 % | R@10 % |\n|---|---:|---:|---:|---:|\n{row}\n"
    terminal, file = Terminal(), io.StringIO()
    Stream(file=terminal, width=80).page(page)
    Stream(file=file, width=80).page(page)
    assert row in file.getvalue()
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert "|" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert all(figure in shown for figure in ("62.5", "[50.0,", "75.0]", "[90.0,"))


def test_what_strangers_write_steers_no_terminal() -> None:
    terminal = Terminal()
    stream = Stream(file=terminal, width=80)
    hostile = "a\x1b[2J\x1b]0;title\x07\u202eb\u200bc\r\x9b31md"
    table = Table("caption")
    table.add_row(hostile)
    stream.say(hostile)
    stream.show(table)
    stream.print(Panel(hostile, title="styled", style="red"))
    written = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert "\\x1b[2J" in written
    assert [one for one in written if one != "\n" and unicodedata.category(one)[0] == "C"] == []
