"""Snakemake wrapper of 'morphinfer segment': one slide, its label image, and the summary as JSON."""
# ruff: noqa: F821 (Snakemake defines `snakemake`)

from snakemake.shell import shell

models = snakemake.params.get("models", "hippocampus")
extra = snakemake.params.get("extra", "")
megabytes = snakemake.resources.get("mem_mb")
memory = f"--max-memory {megabytes}" if megabytes else ""
log = snakemake.log_fmt_shell(stdout=False, stderr=True)
# An attempt that was stopped leaves LABELS.zarr.unfinished, which is no output, so the next one goes on.
shell(
    "python -m morphinfer segment {snakemake.input.slide:q} --out {snakemake.output.labels:q} "
    "--models {models:q} --threads {snakemake.threads} {memory} --progress none --json {extra} "
    "> {snakemake.output.summary:q} {log}"
)
