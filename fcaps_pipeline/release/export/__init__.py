"""A run or a release in the forms of other tools: one file a format, `registry` names them, `export` runs them."""
