"""Everything that knows a kernel: subshells, cells, display, docking."""
