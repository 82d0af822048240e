"""Classifiers on one encoder as the subjects share them: fine-tuned, loaded, and compared with the pretrained one."""
