"""Model sets that are shipped with morphinfer, one folder each."""
