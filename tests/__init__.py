"""Tests; a package, because a dependency of sed_scores_eval installs one of the same name."""
