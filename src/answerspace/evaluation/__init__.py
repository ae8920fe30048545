"""Does an embedding follow its question? Tests with gold answers, baselines beside them, one table of scores."""
