"""What each idea of refinement is worth."""
