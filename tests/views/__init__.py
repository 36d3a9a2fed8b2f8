"""Tests of `views`: views: from weights, history and choice to pictures."""
