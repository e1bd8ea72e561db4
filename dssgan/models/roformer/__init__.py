"""RoFormers: transformers with rotary positions along time and bands."""
