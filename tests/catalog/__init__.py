"""Tests of `catalog`: what a model holds."""
