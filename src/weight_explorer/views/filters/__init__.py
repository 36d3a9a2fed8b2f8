"""The Filters view: convolution kernels as tiles."""
