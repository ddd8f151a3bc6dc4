"""REQUIRED INPUTS: results/{dataset}/videos/shards/{shard}.tsv

OUTPUTS: results/{dataset}/frames/{short_side}/{shard}.h5
"""


rule frames:
    """Decodes each video once and stores its resized frames for training (paper 4.2)."""
    input:
        videos=data.shard_videos,
    output:
        paths.FRAMES,
    log:
        paths.log(paths.FRAMES),
    benchmark:
        paths.benchmark(paths.FRAMES)
    wildcard_constraints:
        short_side=r"\d+",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        settings=data.frames_settings,
        reading=data.reading,
        store=paths.store(paths.FRAMES),
        version=version("frames", "store_frames"),
    shell:
        "python -m workflow_scripts.frames.store_frames {params.files}"
        " --output {output:q} --store {params.store:q}"
        " --settings {params.settings:q} --reading {params.reading:q} --threads {threads} --log {log:q}"
