"""REQUIRED INPUTS: the folder or the manifest of a dataset (as a parameter: a digest of names and times)

OUTPUTS: results/{dataset}/videos/index.tsv; in the same folder shards/, sample.tsv, splits.tsv, splits.json and
totals.json. These are not declared outputs: a file whose content did not change keeps its time and reruns nothing.
"""


checkpoint videos:
    """Finds the videos of a dataset, reads their sizes and assigns them to shards; generates the videos of the demo."""
    output:
        index=paths.INDEX,
    log:
        paths.log(paths.INDEX),
    benchmark:
        paths.benchmark(paths.INDEX)
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    params:
        settings=data.dataset_settings,
        reading=data.reading,
        seed=config["seed"],
        sample_videos=config["encoding"]["sample_videos"],
        resample="--resample" if config["encoding"]["resample"] else "--no-resample",
        max_failed_fraction=config["max_failed_fraction"],
        sources=data.sources,
        version=version("videos", "index_videos"),
    shell:
        "python -m workflow_scripts.videos.index_videos"
        " --dataset={wildcards.dataset:q} --index {output.index:q}"
        " --settings {params.settings:q} --reading {params.reading:q} --seed {params.seed:q}"
        " --sample-videos {params.sample_videos:q} {params.resample:q}"
        " --max-failed-fraction {params.max_failed_fraction:q}"
        " --threads {threads} --log {log:q}"
