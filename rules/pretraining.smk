"""REQUIRED INPUTS: frames, and for the prior the clusters or sketches, of pretraining.dataset

OUTPUTS: results/pretraining/videos/{descriptors}/{subset}.tsv, results/pretraining/{run}/seed{seed}/model.pt
"""


rule training_videos:
    """The videos that runs train on: those with frames and with a sketch, by the config's first descriptors and by these."""
    input:
        videos=training_lists,
        frames=training_frames,
        encodings=training_encodings,
        splits=training_splits,
    output:
        "results/pretraining/videos/{descriptors}/{subset}.tsv",
    log:
        "results/logs/pretraining/videos/{descriptors}/{subset}.log",
    benchmark:
        "results/benchmarks/pretraining/videos/{descriptors}/{subset}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        videos=argument("videos"),
        frames=argument("frames"),
        encodings=argument("encodings"),
        splits=argument("splits"),
        root=training_root,
        seed=config["seed"],
        max_failed_fraction=config["max_failed_fraction"],
        version=stage_settings.version("pretraining"),
    shell:
        "python -m workflow_scripts.pretraining.select_videos"
        " {params.videos} {params.frames} {params.encodings} --output {output:q}"
        " --subset={wildcards.subset:q} --seed {params.seed:q}"
        " --root {params.root:q} {params.splits}"
        " --max-failed-fraction {params.max_failed_fraction:q} --log {log:q}"


rule pretraining:
    """Trains the 3D ResNet: Video IR, Video LA, with the IDT prior, in the joint space, supervised (paper 3.1-3.3)."""
    input:
        videos=run_videos,
        frames=run_frames,
        clusters_file=run_clusters,
        sketches=run_sketches,
        init=run_init,
        validation=run_validation,
        validation_frames=run_validation_frames,
    output:
        "results/pretraining/{run}/seed{seed}/model.pt",
    log:
        "results/logs/pretraining/{run}/seed{seed}.log",
    benchmark:
        "results/benchmarks/pretraining/{run}/seed{seed}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: training_threads
    resources:
        launcher="python -m",  # or torchrun, where a profile gives a training several GPUs
        # No parameter, for a change of it must not train again.
        checkpoint_minutes=checkpoint_minutes,
        loaders=loaders,
    params:
        objective=run_key("objective"),
        clusters=run_key("clusters"),
        settings=of_run,
        checkpoints="results/pretraining/{run}/seed{seed}/checkpoints",
        frames=argument("frames"),
        clusters_file=argument("clusters_file"),
        sketches=argument("sketches"),
        init=argument("init"),
        validation=argument("validation"),
        validation_frames=argument("validation_frames"),
        version=stage_settings.version("pretraining"),
    shell:
        "{resources.launcher} workflow_scripts.pretraining.train"
        " --videos {input.videos:q} {params.frames}"
        " {params.clusters_file} {params.sketches} {params.init}"
        " {params.validation} {params.validation_frames}"
        " --output {output:q} --checkpoints {params.checkpoints:q}"
        " --run={wildcards.run:q} --seed {wildcards.seed:q}"
        " --objective {params.objective:q} --clusters={params.clusters:q}"
        " --settings {params.settings:q} --workers {resources.loaders:q}"
        " --checkpoint-minutes {resources.checkpoint_minutes:q} --log {log:q}"
