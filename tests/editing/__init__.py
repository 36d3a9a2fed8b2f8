"""Tests of `editing`: freezing and editing weights."""
