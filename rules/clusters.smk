"""REQUIRED INPUTS: results/{dataset}/encoding/{descriptors}/{shard}.h5, results/pretraining/videos/{descriptors}/{subset}.tsv

OUTPUTS: results/{dataset}/clusters/{descriptors}/{subset}/{method}_k{k}_m{m}_s{seed}.h5
"""


rule clusters:
    """Clusters the videos in the IDT space, m times (paper 3.3, 4.2)."""
    input:
        encodings=data.clustered_encodings,
        videos=paths.TRAINING_VIDEOS,
    output:
        paths.CLUSTERS,
    log:
        paths.log(paths.CLUSTERS),
    benchmark:
        paths.benchmark(paths.CLUSTERS)
    wildcard_constraints:
        method=NAME,
        k=r"\d+",
        m=r"\d+",
    priority: 1  # the longest chain of jobs goes through here
    conda:
        "../envs/pipeline.yaml"
    threads: 4
    params:
        files=stage_inputs,
        settings=data.clusters_settings,
        version=version("clusters", "cluster_sketches"),
    shell:
        "python -m workflow_scripts.clusters.cluster_sketches {params.files}"
        " --output {output:q} --settings {params.settings:q} --threads {threads} --log {log:q}"
