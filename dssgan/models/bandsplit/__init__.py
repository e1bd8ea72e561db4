"""Band-Split RNN (Luo and Yu, 2023)."""
