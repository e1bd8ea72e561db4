"""Whether a separator that was adapted to songs without stems got better."""
