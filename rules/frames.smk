"""REQUIRED INPUTS: results/{dataset}/videos/shards/{shard}.tsv

OUTPUTS: results/{dataset}/frames/{short_side}/{shard}.h5
"""


rule frames:
    """Decodes each video once and keeps its frames, resized, for training (paper 4.2)."""
    input:
        videos=shard_videos,
    output:
        "results/{dataset}/frames/{short_side}/{shard}.h5",
    log:
        "results/logs/frames/{dataset}/{short_side}/{shard}.log",
    benchmark:
        "results/benchmarks/frames/{dataset}/{short_side}/{shard}.tsv"
    wildcard_constraints:
        short_side=r"\d+",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=frames_settings,
        reading=READING,
        store="results/{dataset}/frames/.store/{short_side}/{shard}",
        version=stage_settings.version("frames"),
    shell:
        "python -m workflow_scripts.frames.store_frames"
        " --videos {input.videos:q} --output {output:q} --store {params.store:q}"
        " --settings {params.settings:q} --reading {params.reading:q} --threads {threads} --log {log:q}"
