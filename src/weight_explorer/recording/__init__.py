"""What happened to the weights: `statistics`, `history` and `recorder` say what is kept, `pace` and `callback` when."""
