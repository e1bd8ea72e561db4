"""`python -m dssgan.doctor`: checks of the machine and the installation."""
