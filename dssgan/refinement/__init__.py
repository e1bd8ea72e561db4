"""Refinement by critics and by a teacher."""
