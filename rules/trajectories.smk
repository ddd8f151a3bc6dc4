"""REQUIRED INPUTS: results/{dataset}/videos/shards/{shard}.tsv, and the persons of the shard if the descriptors mask them;
results/{dataset}/videos/sample.tsv if only the trajectories of the sampled videos are stored

OUTPUTS: results/{dataset}/trajectories/{descriptors}/{shard}.h5, made_by.txt
"""


localrules:
    made_by,


rule made_by:
    """Writes a digest of how the trajectories are made. If it changes, the codebook is fitted again."""
    output:
        paths.MADE_BY,
    log:
        paths.log(paths.MADE_BY),
    conda:
        "../envs/pipeline.yaml"
    params:
        digest=data.made_by,
    shell:
        "echo {params.digest:q} > {output:q} 2> {log:q}"


rule trajectories:
    """Extracts Improved Dense Trajectories (paper 3.3)."""
    input:
        videos=data.shard_videos,
        boxes=data.shard_boxes,
        only=data.only_sample,
    output:
        paths.TRAJECTORIES,
    log:
        paths.log(paths.TRAJECTORIES),
    benchmark:
        paths.benchmark(paths.TRAJECTORIES)
    priority: 1  # the longest chain of jobs goes through here
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        settings=data.trajectories_settings,
        reading=data.reading,
        store=paths.store(paths.TRAJECTORIES),
        version=version("trajectories", "extract_shard"),
    shell:
        "python -m workflow_scripts.trajectories.extract_shard {params.files}"
        " --output {output:q} --store {params.store:q} --settings {params.settings:q} --reading {params.reading:q}"
        " --threads {threads} --log {log:q}"
