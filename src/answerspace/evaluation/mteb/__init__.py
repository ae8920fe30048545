"""mteb 2.x: our embedder as one of its models, our tests as its tasks. Needs the mteb extra."""
