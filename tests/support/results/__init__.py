"""Made-up results: of probing, of explanations, of fine-tuned models, of several to compare."""
