"""REQUIRED INPUTS: results/pretraining/{run}/seed{seed}/model.pt; splits and frames of the dataset; for IDT its encodings

OUTPUTS: results/evaluation/{run}/seed{seed}/{dataset}/features.h5, .../{dataset}/split{split}/{protocol}.json
"""


rule finetune:
    """Finetunes the network on a split's training part and tests it on the rest (paper 4.2, table 1)."""
    input:
        model=runs.model,
        splits=data.splits,
        unread=data.unread,
        frames=runs.evaluated_frames,
    output:
        paths.result("finetune"),
    log:
        paths.log(paths.result("finetune")),
    benchmark:
        paths.benchmark(paths.result("finetune"))
    conda:
        "../envs/pipeline.yaml"
    threads: runs.evaluation_threads
    resources:
        loaders=loaders,
    params:
        files=stage_inputs,
        task=runs.task,
        architecture=runs.architecture,
        settings=runs.protocol_settings("finetune"),
        checkpoints=paths.checkpoints(paths.result("finetune")),
        version=version("evaluation", "finetune"),
    shell:
        "python -m workflow_scripts.evaluation.finetune {params.files}"
        " --task {params.task:q} --architecture {params.architecture:q} --output {output:q} --checkpoints {params.checkpoints:q}"
        " --settings {params.settings:q} --workers {resources.loaders:q} --log {log:q}"


rule features:
    """Computes the frozen network's features of the dataset's videos, for all splits (paper 4.4)."""
    input:
        model=runs.model,
        splits=data.splits,
        frames=runs.evaluated_frames,
    output:
        paths.FEATURES,
    log:
        paths.log(paths.FEATURES),
    benchmark:
        paths.benchmark(paths.FEATURES)
    conda:
        "../envs/pipeline.yaml"
    threads: runs.evaluation_threads
    resources:
        loaders=loaders,
    params:
        files=stage_inputs,
        architecture=runs.architecture,
        settings=runs.features_settings,
        version=version("evaluation", "features"),
    shell:
        "python -m workflow_scripts.evaluation.features {params.files}"
        " --architecture {params.architecture:q} --seed {wildcards.seed:q} --output {output:q}"
        " --settings {params.settings:q} --workers {resources.loaders:q} --log {log:q}"


rule linear:
    """Learns linear classifiers on the features of 1, 5, 10, 20 and all videos per class (paper 4.4)."""
    input:
        features=paths.FEATURES,
        splits=data.splits,
        unread=data.unread,
    output:
        paths.result("linear"),
    log:
        paths.log(paths.result("linear")),
    benchmark:
        paths.benchmark(paths.result("linear"))
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        task=runs.task,
        settings=runs.protocol_settings("linear"),
        version=version("evaluation", "linear"),
    shell:
        "python -m workflow_scripts.evaluation.linear {params.files}"
        " --task {params.task:q} --output {output:q} --settings {params.settings:q} --log {log:q}"


rule knn:
    """Classifies videos by the vote of their nearest training videos, and measures retrieval."""
    input:
        features=paths.FEATURES,
        splits=data.splits,
        unread=data.unread,
    output:
        paths.result("knn"),
    log:
        paths.log(paths.result("knn")),
    benchmark:
        paths.benchmark(paths.result("knn"))
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        task=runs.task,
        settings=runs.protocol_settings("knn"),
        version=version("evaluation", "knn"),
    shell:
        "python -m workflow_scripts.evaluation.knn {params.files}"
        " --task {params.task:q} --output {output:q} --settings {params.settings:q} --log {log:q}"


rule svm:
    """Learns a linear SVM on the IDT sketches, or on the Fisher vectors (paper table 4, last row)."""
    input:
        splits=data.splits,
        unread=data.unread,
        encodings=runs.svm_encodings,
    output:
        paths.result("svm"),
    log:
        paths.log(paths.result("svm")),
    benchmark:
        paths.benchmark(paths.result("svm"))
    wildcard_constraints:
        run="|".join(IDT_RUNS),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        task=runs.task,
        settings=runs.protocol_settings("svm"),
        version=version("evaluation", "svm"),
    shell:
        "python -m workflow_scripts.evaluation.svm {params.files}"
        " --task {params.task:q} --output {output:q} --settings {params.settings:q} --log {log:q}"


rule cluster_bank:
    """Clusters the final embeddings of a run; the report compares them with the clusters of IDT (paper 4.5)."""
    input:
        model=runs.model,
        frames=runs.frames_without_bank,
    output:
        paths.CLUSTER_BANK,
    log:
        paths.log(paths.CLUSTER_BANK),
    benchmark:
        paths.benchmark(paths.CLUSTER_BANK)
    conda:
        "../envs/gpu.yaml"
    threads: 4  # for K-means
    resources:
        loaders=loaders,
    params:
        files=stage_inputs,
        settings=runs.cluster_bank_settings,
        version=[version("clusters", "cluster_sketches"), version("evaluation", "cluster_bank")],
    shell:
        "python -m workflow_scripts.evaluation.cluster_bank {params.files}"
        " --output {output:q} --settings {params.settings:q} --workers {resources.loaders:q} --log {log:q}"
