"""REQUIRED INPUTS: results/{dataset}/videos/shards/{shard}.tsv

OUTPUTS: results/{dataset}/persons/{detector}/{shard}.h5
"""


rule persons:
    """Detects the persons in each frame (paper 3.3, appendix A)."""
    input:
        videos=data.shard_videos,
    output:
        paths.PERSONS,
    log:
        paths.log(paths.PERSONS),
    benchmark:
        paths.benchmark(paths.PERSONS)
    conda:
        "../envs/persons.yaml"
    threads: 1
    params:
        files=stage_inputs,
        settings=data.settings("persons"),
        reading=data.reading,
        store=paths.store(paths.PERSONS),
        version=version("persons", "detect_persons"),
    shell:
        "python -m workflow_scripts.persons.detect_persons {params.files}"
        " --output {output:q} --store {params.store:q}"
        " --detector={wildcards.detector:q} --settings {params.settings:q} --reading {params.reading:q}"
        " --threads {threads} --log {log:q}"
