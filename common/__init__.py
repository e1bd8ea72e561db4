"""What every room may import: atomic files and command-line manners; standard library and tqdm."""
