"""REQUIRED INPUTS: results/{dataset}/videos/shards/{shard}.tsv, and the persons of the shard where features use them

OUTPUTS: results/{dataset}/trajectories/{features}/{shard}.h5
"""


rule trajectories:
    """Extracts Improved Dense Trajectories (paper 3.3)."""
    input:
        videos=shard_videos,
        boxes=shard_boxes,
    output:
        "results/{dataset}/trajectories/{features}/{shard}.h5",
    log:
        "results/logs/trajectories/{dataset}/{features}/{shard}.log",
    benchmark:
        "results/benchmarks/trajectories/{dataset}/{features}/{shard}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=section("trajectories"),
        store="results/{dataset}/trajectories/.store/{features}/{shard}",
        boxes=optional("boxes"),
        version=pipeline.version("trajectories"),
    shell:
        "python -m workflow_scripts.trajectories.extract_shard"
        " --videos {input.videos} {params.boxes} --output {output}"
        " --store {params.store} --settings {params.settings:q}"
        " --threads {threads} --log {log}"
