"""Instructions as data: task labels, task embeddings, their evaluation, and what they are good for."""
