"""Training of morphinfer models: supervision from transcripts."""
