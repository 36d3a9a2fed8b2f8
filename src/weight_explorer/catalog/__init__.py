"""The contents of a Keras model as frozen data.

`schema` defines the types and `layers` the table of what the weights of Keras' layers mean, which `descriptions` looks up.
`model_walker` finds layers and variables, `accessors` finds the Python expression for each, and `builder` builds the catalog.
`lookup` and `labels` handle the names that users give.
"""
