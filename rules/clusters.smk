"""REQUIRED INPUTS: results/{dataset}/encoding/{descriptors}/{shard}.h5, results/pretraining/videos/{descriptors}/{subset}.tsv

OUTPUTS: results/{dataset}/clusters/{descriptors}/{subset}/{method}_k{k}_m{m}_s{seed}.h5
"""


rule clusters:
    """Clusters the videos in the IDT space, m times (paper 3.3, 4.2)."""
    input:
        encodings=lambda wildcards: encodings_of(wildcards.dataset, wildcards.descriptors),
        videos="results/pretraining/videos/{descriptors}/{subset}.tsv",
    output:
        "results/{dataset}/clusters/{descriptors}/{subset}/{method}_k{k}_m{m}_s{seed}.h5",
    log:
        "results/logs/clusters/{dataset}/{descriptors}/{subset}/{method}_k{k}_m{m}_s{seed}.log",
    benchmark:
        "results/benchmarks/clusters/{dataset}/{descriptors}/{subset}/{method}_k{k}_m{m}_s{seed}.tsv"
    wildcard_constraints:
        method="|".join(CLUSTERING_METHODS),
        k=r"\d+",
        m=r"\d+",
    conda:
        "../envs/pipeline.yaml"
    threads: 4
    params:
        encodings=argument("encodings"),
        settings=clusters_settings,
        version=stage_settings.version("clusters"),
    shell:
        "python -m workflow_scripts.clusters.cluster_sketches"
        " {params.encodings} --videos {input.videos:q} --output {output:q}"
        " --settings {params.settings:q} --threads {threads} --log {log:q}"
