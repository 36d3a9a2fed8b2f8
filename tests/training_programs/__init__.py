"""Small training programs of many kinds: each trains in a few seconds, healthy or broken in one place."""

from tests.training_programs import generative, others, pictures, sequences, similarity

MODULES = (generative, similarity, sequences, pictures, others)
PROGRAMS = tuple(program for module in MODULES for program in module.PROGRAMS)
