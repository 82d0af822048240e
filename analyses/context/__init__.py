"""Values that analyses share: prepared data and encoders, chosen texts, explanations and fine-tuned models."""
