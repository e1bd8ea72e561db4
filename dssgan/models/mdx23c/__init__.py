"""MDX23C: a U-Net of convolutions and of linear maps along frequency."""
