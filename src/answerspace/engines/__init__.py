"""How a network is run: token ids in, states out."""
