"""morphinfer: dense segmentation of nuclei-stained slides."""
