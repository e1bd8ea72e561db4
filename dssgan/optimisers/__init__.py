"""The optimisers and schedules by name."""
