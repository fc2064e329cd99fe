process MORPHINFER_SEGMENT {
    tag "$meta.id"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "morphinfer:0.1.0"  // built from ../Containerfile

    input:
    tuple val(meta), path(slide)
    val models

    output:
    tuple val(meta), path("*_labels.zarr"), emit: labels
    tuple val(meta), path("*_labels.{html,png,svg}"), emit: report
    tuple val(meta), path("*_labels.json"), emit: record
    path "versions.yml", emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}"
    def memory = task.memory ? "--max-memory ${task.memory.toMega()}" : ''
    """
    morphinfer segment $slide --models $models --out ${prefix}_labels.zarr --threads $task.cpus $memory --progress none $args

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        morphinfer: \$(morphinfer --version | sed 's/.* //')
    END_VERSIONS
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir ${prefix}_labels.zarr
    touch ${prefix}_labels.html ${prefix}_labels.png ${prefix}_labels.svg ${prefix}_labels.json versions.yml
    """
}
