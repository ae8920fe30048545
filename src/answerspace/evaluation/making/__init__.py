"""Making tests: the recipes of the InBedder paper's appendix, carried out by a chat model and checked."""
