"""REQUIRED INPUTS: results/{dataset}/trajectories/{descriptors}/{shard}.h5, results/{dataset}/videos/sample.tsv;
where only the sampled videos' trajectories are kept also the shard's list of videos and its persons

OUTPUTS: results/{dataset}/codebook/{descriptors}/joint.h5 and encoding/{descriptors}/{shard}.h5; for the run idt_fisher
encoding/{descriptors}/fisher/{shard}.h5 and, with encoding.per_channel, codebook/{descriptors}/per_channel.h5
"""


rule codebook:
    """Fits PCA and GMM on the sampled videos' descriptors and draws the count sketch (paper 3.3, 4.2)."""
    input:
        sample=sample,
        # A video that is added changes its shard's file but not the sample: only how the file is made counts.
        trajectories=ancient(sampled_trajectories),
        made_by="results/{dataset}/trajectories/{descriptors}/made_by.txt",
    output:
        "results/{dataset}/codebook/{descriptors}/{space}.h5",
    log:
        "results/logs/encoding/{dataset}/{descriptors}/codebook_{space}.log",
    benchmark:
        "results/benchmarks/encoding/{dataset}/{descriptors}/codebook_{space}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 4
    params:
        trajectories=argument("trajectories"),
        settings=codebook_settings,
        version=stage_settings.version("encoding"),
    shell:
        "python -m workflow_scripts.encoding.fit_codebook"
        " --sample {input.sample:q} {params.trajectories} --output {output:q}"
        " --settings {params.settings:q} --threads {threads} --log {log:q}"


rule encoding:
    """Turns the trajectories of each video into one sketch (paper 3.3, equations 5-6)."""
    input:
        trajectories="results/{dataset}/trajectories/{descriptors}/{shard}.h5",
        codebook="results/{dataset}/codebook/{descriptors}/joint.h5",
        videos=streamed_videos,
        boxes=streamed_boxes,
    output:
        "results/{dataset}/encoding/{descriptors}/{shard}.h5",
    log:
        "results/logs/encoding/{dataset}/{descriptors}/{shard}.log",
    benchmark:
        "results/benchmarks/encoding/{dataset}/{descriptors}/{shard}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=streamed_settings,
        reading=READING,
        videos=argument("videos"),
        boxes=argument("boxes"),
        store="results/{dataset}/encoding/.store/{descriptors}/{shard}",
        version=stage_settings.version("encoding"),
    shell:
        "python -m workflow_scripts.encoding.encode_shard"
        " --trajectories {input.trajectories:q} --codebook {input.codebook:q}"
        " {params.videos} {params.boxes} --settings {params.settings:q} --reading {params.reading:q}"
        " --output {output:q}"
        " --store {params.store:q} --threads {threads} --log {log:q}"


rule fisher_vectors:
    """Turns the trajectories of each video into its whole Fisher vector, 2KD numbers (paper 3.3 and table 4, IDT)."""
    input:
        trajectories="results/{dataset}/trajectories/{descriptors}/{shard}.h5",
        codebook=fisher_codebook,
        videos=streamed_videos,
        boxes=streamed_boxes,
    output:
        "results/{dataset}/encoding/{descriptors}/fisher/{shard}.h5",
    log:
        "results/logs/encoding/{dataset}/{descriptors}/fisher/{shard}.log",
    benchmark:
        "results/benchmarks/encoding/{dataset}/{descriptors}/fisher/{shard}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=streamed_settings,
        reading=READING,
        videos=argument("videos"),
        boxes=argument("boxes"),
        store="results/{dataset}/encoding/.store/{descriptors}/fisher/{shard}",
        version=stage_settings.version("encoding"),
    shell:
        "python -m workflow_scripts.encoding.encode_shard --fisher"
        " --trajectories {input.trajectories:q} --codebook {input.codebook:q}"
        " {params.videos} {params.boxes} --settings {params.settings:q} --reading {params.reading:q}"
        " --output {output:q}"
        " --store {params.store:q} --threads {threads} --log {log:q}"
