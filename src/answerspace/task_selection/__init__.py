"""Which tasks to train on for a target task, told from instructions alone (INSTA, arXiv 2404.16418) and measured."""
