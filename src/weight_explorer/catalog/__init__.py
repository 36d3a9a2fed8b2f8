"""What a Keras model holds, as frozen data: `nodes` (the types), `roles` (what Keras' weights mean), `walk` (the reader)."""
