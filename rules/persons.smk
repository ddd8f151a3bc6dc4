"""REQUIRED INPUTS: results/{dataset}/videos/shards/{shard}.tsv

OUTPUTS: results/{dataset}/persons/{detector}/{shard}.h5
"""


rule persons:
    """Finds the people in every frame (paper 3.3, appendix A)."""
    input:
        videos=shard_videos,
    output:
        "results/{dataset}/persons/{detector}/{shard}.h5",
    log:
        "results/logs/persons/{dataset}/{detector}/{shard}.log",
    benchmark:
        "results/benchmarks/persons/{dataset}/{detector}/{shard}.tsv"
    conda:
        "../envs/persons.yaml"
    threads: 1
    params:
        settings=literal(section("persons")),
        reading=READING,
        store="results/{dataset}/persons/.store/{detector}/{shard}",
        version=stage_settings.version("persons"),
    shell:
        "python -m workflow_scripts.persons.detect_persons"
        " --videos {input.videos:q} --output {output:q} --store {params.store:q}"
        " --detector={wildcards.detector:q} --settings {params.settings:q} --reading {params.reading:q}"
        " --threads {threads} --log {log:q}"
