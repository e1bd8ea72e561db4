"""Meta-TasNet (Samuel, Ganeshan and Naradowsky, 2020) and Conv-TasNet."""
