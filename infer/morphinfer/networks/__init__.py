"""ONNX networks: their files, the runtime, and one prediction out of several.

A model file describes itself (`cards`, a foreign one by its `sidecar`), and files that agree make a set
(`loading`, `integrity`, `modelsets`). What a network takes and gives is checked (`ports`) and tried on a
patch (`probe`). ONNX Runtime runs it on a provider (`runtime`, `resources`), densely or window by window
(`predictor`, `ensemble`), until it is stopped (`stopping`), and the outputs become classes (`fusion`)
and doubt (`uncertainty`). `trial` runs a tiny network on each provider. `provenance` is what a run
record keeps of a set's training, and `fit` says whether a slide looks like that. ONNX Runtime is
imported here and nowhere else.
"""

from __future__ import annotations

from morphinfer.networks.cards import METADATA_KEY, Card, TestVector, encode_card
from morphinfer.networks.ensemble import Ensemble, load_ensemble
from morphinfer.networks.fit import APPEARANCE_KEY, compare, misfit, training_appearances
from morphinfer.networks.fusion import Fused, fuse, quantise
from morphinfer.networks.loading import find_set, load_models, shipped_sets, verified_hashes
from morphinfer.networks.modelsets import (
    EXACT_TOLERANCE,
    HALF_TOLERANCE,
    PARITY_TOLERANCE,
    describe_sets,
    differences,
    show_set,
    verify_set,
)
from morphinfer.networks.options import Options, Resume, SkipBackground
from morphinfer.networks.predictor import DensePredictor
from morphinfer.networks.provenance import provenance_of
from morphinfer.networks.runtime import ProviderChoice, load_runtime
from morphinfer.networks.session import ModelFile, ModelSet, Session
from morphinfer.networks.stopping import Stop
from morphinfer.networks.trial import try_providers
from morphinfer.networks.uncertainty import (
    UNCERTAIN_BELOW,
    normalised_entropy,
    uncertain_tissue,
)

__all__ = [
    "APPEARANCE_KEY",
    "EXACT_TOLERANCE",
    "HALF_TOLERANCE",
    "METADATA_KEY",
    "PARITY_TOLERANCE",
    "UNCERTAIN_BELOW",
    "Card",
    "DensePredictor",
    "Ensemble",
    "Fused",
    "ModelFile",
    "ModelSet",
    "Options",
    "ProviderChoice",
    "Resume",
    "Session",
    "SkipBackground",
    "Stop",
    "TestVector",
    "compare",
    "describe_sets",
    "differences",
    "encode_card",
    "find_set",
    "fuse",
    "load_ensemble",
    "load_models",
    "load_runtime",
    "misfit",
    "normalised_entropy",
    "provenance_of",
    "quantise",
    "shipped_sets",
    "show_set",
    "training_appearances",
    "try_providers",
    "uncertain_tissue",
    "verified_hashes",
    "verify_set",
]
