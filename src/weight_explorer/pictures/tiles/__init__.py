"""Small images in a grid."""
