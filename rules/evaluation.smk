"""REQUIRED INPUTS: results/pretraining/{run}/seed{seed}/model.pt; splits and frames of the dataset, for IDT encodings

OUTPUTS: results/evaluation/{run}/seed{seed}/{dataset}/split{split}/{protocol}.json
"""


rule finetune:
    """Finetunes the network on a split's training part and tests it on the rest (paper 4.2, table 1)."""
    input:
        model=evaluated_model,
        splits=splits,
        unread=unread,
        frames=evaluated_frames,
    output:
        "results/evaluation/{run}/seed{seed}/{dataset}/split{split}/finetune.json",
    log:
        "results/logs/evaluation/{run}/seed{seed}/{dataset}/split{split}/finetune.log",
    benchmark:
        "results/benchmarks/evaluation/{run}/seed{seed}/{dataset}/split{split}/finetune.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: evaluation_threads
    resources:
        loaders=loaders,
    params:
        model=argument("model"),
        frames=argument("frames"),
        architecture=scratch_architecture,
        settings=literal(protocol_settings("finetune")),
        layout=dataset_layout,
        checkpoints="results/evaluation/{run}/seed{seed}/{dataset}/split{split}/checkpoints",
        version=stage_settings.version("evaluation"),
    shell:
        "python -m workflow_scripts.evaluation.finetune"
        " {params.model} --architecture {params.architecture:q}"
        " --splits {input.splits:q} --unread {input.unread:q} --split {wildcards.split:q}"
        " {params.frames}"
        " --run={wildcards.run:q} --seed {wildcards.seed:q} --dataset={wildcards.dataset:q}"
        " --layout {params.layout:q} --output {output:q} --checkpoints {params.checkpoints:q}"
        " --settings {params.settings:q} --workers {resources.loaders:q} --log {log:q}"


rule linear:
    """Learns a linear classifier on the frozen network from 1, 5, 10, 20 and all videos a class (paper 4.4)."""
    input:
        model=evaluated_model,
        splits=splits,
        unread=unread,
        frames=evaluated_frames,
    output:
        "results/evaluation/{run}/seed{seed}/{dataset}/split{split}/linear.json",
    log:
        "results/logs/evaluation/{run}/seed{seed}/{dataset}/split{split}/linear.log",
    benchmark:
        "results/benchmarks/evaluation/{run}/seed{seed}/{dataset}/split{split}/linear.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: evaluation_threads
    resources:
        loaders=loaders,
    params:
        model=argument("model"),
        frames=argument("frames"),
        architecture=scratch_architecture,
        settings=literal(protocol_settings("linear")),
        version=stage_settings.version("evaluation"),
    shell:
        "python -m workflow_scripts.evaluation.linear"
        " {params.model} --architecture {params.architecture:q}"
        " --splits {input.splits:q} --unread {input.unread:q} --split {wildcards.split:q}"
        " {params.frames}"
        " --run={wildcards.run:q} --seed {wildcards.seed:q} --dataset={wildcards.dataset:q}"
        " --output {output:q} --settings {params.settings:q} --workers {resources.loaders:q} --log {log:q}"


rule svm:
    """Learns a linear SVM on the IDT sketches, or on the Fisher vectors (paper table 4, last row)."""
    input:
        splits=splits,
        unread=unread,
        encodings=svm_encodings,
    output:
        "results/evaluation/{run}/seed{seed}/{dataset}/split{split}/svm.json",
    log:
        "results/logs/evaluation/{run}/seed{seed}/{dataset}/split{split}/svm.log",
    benchmark:
        "results/benchmarks/evaluation/{run}/seed{seed}/{dataset}/split{split}/svm.tsv"
    wildcard_constraints:
        run="|".join(IDT_RUNS),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        encodings=argument("encodings"),
        settings=literal(protocol_settings("svm")),
        version=stage_settings.version("evaluation"),
    shell:
        "python -m workflow_scripts.evaluation.svm"
        " --splits {input.splits:q} --unread {input.unread:q} --split {wildcards.split:q} {params.encodings}"
        " --run={wildcards.run:q} --seed {wildcards.seed:q} --dataset={wildcards.dataset:q}"
        " --output {output:q} --settings {params.settings:q} --log {log:q}"


rule bank_clusters:
    """Groups the videos by the embeddings a run ended with, to be compared with the clusters by IDT (paper 4.5)."""
    input:
        model=evaluated_model,
        frames=frames_where_no_bank,
    output:
        "results/evaluation/{run}/seed{seed}/clusters.h5",
    log:
        "results/logs/evaluation/{run}/seed{seed}/clusters.log",
    benchmark:
        "results/benchmarks/evaluation/{run}/seed{seed}/clusters.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 4  # of K-means
    resources:
        loaders=loaders,
    params:
        frames=argument("frames"),
        settings=run_clusters_settings,
        version=[stage_settings.version("clusters"), stage_settings.version("evaluation")],
    shell:
        "python -m workflow_scripts.evaluation.cluster_bank"
        " --model {input.model:q} {params.frames} --output {output:q}"
        " --settings {params.settings:q} --workers {resources.loaders:q} --log {log:q}"
