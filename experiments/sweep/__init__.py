"""Many runs that differ in some keys."""
