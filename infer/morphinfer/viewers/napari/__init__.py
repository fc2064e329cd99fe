"""The plugin of napari: label images as layers, and runs and trainings that start in the viewer.

`frames` says where layers lie, `sources` makes slides and references of them, and `layers` makes layers of
slides and label images; `reader` opens files. `work` segments and scores, `training` trains on a layer of
points. None of these needs napari or Qt. `panel`, `segment_panel` and `train_panel` are the widgets, and
`napari.yaml` lists what napari is offered.
"""
