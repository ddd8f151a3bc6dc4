"""REQUIRED INPUTS: results/{dataset}/videos/shards/{shard}.tsv, and the persons of the shard where descriptors use them;
results/{dataset}/videos/sample.tsv where only the sampled videos' trajectories are kept

OUTPUTS: results/{dataset}/trajectories/{descriptors}/{shard}.h5, made_by.txt
"""


localrules:
    made_by,


rule made_by:
    """Writes down a digest of how the trajectories are made: a codebook is fitted anew when it changes."""
    output:
        "results/{dataset}/trajectories/{descriptors}/made_by.txt",
    log:
        "results/logs/trajectories/{dataset}/{descriptors}/made_by.log",
    conda:
        "../envs/pipeline.yaml"
    params:
        digest=trajectories_digest,
    shell:
        "echo {params.digest:q} > {output:q} 2> {log:q}"


rule trajectories:
    """Extracts Improved Dense Trajectories (paper 3.3)."""
    input:
        videos=shard_videos,
        boxes=shard_boxes,
        only=sample_if_all_is_too_much,
    output:
        "results/{dataset}/trajectories/{descriptors}/{shard}.h5",
    log:
        "results/logs/trajectories/{dataset}/{descriptors}/{shard}.log",
    benchmark:
        "results/benchmarks/trajectories/{dataset}/{descriptors}/{shard}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=trajectories_settings,
        reading=READING,
        store="results/{dataset}/trajectories/.store/{descriptors}/{shard}",
        boxes=argument("boxes"),
        only=argument("only"),
        version=stage_settings.version("trajectories"),
    shell:
        "python -m workflow_scripts.trajectories.extract_shard"
        " --videos {input.videos:q} {params.boxes} {params.only} --output {output:q}"
        " --store {params.store:q} --settings {params.settings:q} --reading {params.reading:q}"
        " --threads {threads} --log {log:q}"
