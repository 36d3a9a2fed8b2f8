"""What happened to the weights: `statistics` (pure), `history` (kept, bounded), `recorder` (copies), `pace` and `callback` (when)."""
