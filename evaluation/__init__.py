"""Scores of separated sources: BSS Eval, plain ratios, protocols, reports. No TensorFlow."""
