"""How models are trained: the bundled model's recipe."""
