"""Who is asked: our models, general embedders, endpoints, chance and the gold answers."""
