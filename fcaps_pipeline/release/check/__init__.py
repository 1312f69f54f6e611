"""Whether a release is what it says and what it should be: each check has a number and a bound."""
