"""Speed, measured by commands and compared within one run; never by timed tests."""
