"""The U-Net of Stoller, Ewert and Dixon (2018) and of DSSGAN."""
