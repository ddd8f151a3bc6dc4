"""REQUIRED INPUTS: results/{dataset}/trajectories/{features}/{shard}.h5, results/{dataset}/videos/sample.tsv;
where only the sampled videos' trajectories are kept also the shard's list of videos and its persons

OUTPUTS: results/{dataset}/encoding/{features}/codebook.h5, {shard}.h5 and, for the run idt_fisher, fisher/{shard}.h5
"""


rule codebook:
    """Fits PCA and GMM on the sampled videos' descriptors and draws the count sketch (paper 3.3, 4.2)."""
    input:
        sample=sample,
        # A video that is added changes its shard's file but not the sample: only how the file is made counts.
        trajectories=ancient(sampled_trajectories),
        made_by="results/{dataset}/trajectories/{features}/made_by.txt",
    output:
        "results/{dataset}/encoding/{features}/codebook.h5",
    log:
        "results/logs/encoding/{dataset}/{features}/codebook.log",
    benchmark:
        "results/benchmarks/encoding/{dataset}/{features}/codebook.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 4
    params:
        trajectories=argument("trajectories"),
        settings=literal(section("encoding")),
        version=pipeline.version("encoding"),
    shell:
        "python -m workflow_scripts.encoding.fit_codebook"
        " --sample {input.sample:q} {params.trajectories} --output {output:q}"
        " --settings {params.settings:q} --threads {threads} --log {log:q}"


rule encoding:
    """Turns the trajectories of each video into one sketch (paper 3.3, equations 5-6)."""
    input:
        trajectories="results/{dataset}/trajectories/{features}/{shard}.h5",
        codebook="results/{dataset}/encoding/{features}/codebook.h5",
        videos=streamed_videos,
        boxes=streamed_boxes,
    output:
        "results/{dataset}/encoding/{features}/{shard}.h5",
    log:
        "results/logs/encoding/{dataset}/{features}/{shard}.log",
    benchmark:
        "results/benchmarks/encoding/{dataset}/{features}/{shard}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=streamed_settings,
        videos=argument("videos"),
        boxes=argument("boxes"),
        store="results/{dataset}/encoding/.store/{features}/{shard}",
        version=pipeline.version("encoding"),
    shell:
        "python -m workflow_scripts.encoding.encode_shard"
        " --trajectories {input.trajectories:q} --codebook {input.codebook:q}"
        " {params.videos} {params.boxes} --settings {params.settings:q} --output {output:q}"
        " --store {params.store:q} --threads {threads} --log {log:q}"


rule fisher_vectors:
    """Turns the trajectories of each video into its whole Fisher vector, 2KD numbers (paper 3.3 and table 4, IDT)."""
    input:
        trajectories="results/{dataset}/trajectories/{features}/{shard}.h5",
        codebook="results/{dataset}/encoding/{features}/codebook.h5",
        videos=streamed_videos,
        boxes=streamed_boxes,
    output:
        "results/{dataset}/encoding/{features}/fisher/{shard}.h5",
    log:
        "results/logs/encoding/{dataset}/{features}/fisher/{shard}.log",
    benchmark:
        "results/benchmarks/encoding/{dataset}/{features}/fisher/{shard}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=streamed_settings,
        videos=argument("videos"),
        boxes=argument("boxes"),
        store="results/{dataset}/encoding/.store/{features}/fisher/{shard}",
        version=pipeline.version("encoding"),
    shell:
        "python -m workflow_scripts.encoding.encode_shard --fisher"
        " --trajectories {input.trajectories:q} --codebook {input.codebook:q}"
        " {params.videos} {params.boxes} --settings {params.settings:q} --output {output:q}"
        " --store {params.store:q} --threads {threads} --log {log:q}"
