"""How each kind of model is asked: a file a kind."""
