"""Names of what can be done before separators, behind them and between several."""

BEFORE = ("hpss",)
AFTER = ("wiener", "transients")
DOMAINS = ("time", "spectrum")  # of blends
