"""What a Keras model holds, as frozen data.

`nodes` are the types and `roles` the table of what Keras' weights mean, which `explain` asks; `places` and `access` find where
everything stands and by which Python it is reached; `walk` puts it together. `names` and `labels`: what users call things.
"""
