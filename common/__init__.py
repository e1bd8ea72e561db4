"""What every room may import: files written atomically, command-line manners. Standard library + tqdm."""
