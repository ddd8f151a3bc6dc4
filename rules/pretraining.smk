"""REQUIRED INPUTS: frames of pretraining.dataset; for runs with a prior also its clusters or sketches

OUTPUTS: results/pretraining/videos/{descriptors}/{subset}.tsv, results/pretraining/{run}/seed{seed}/model.pt
"""


rule training_videos:
    """Lists the videos to train on: those with frames, and with sketches by the first and by the list's descriptors."""
    input:
        videos=runs.training_lists,
        frames=runs.training_frames,
        encodings=runs.training_encodings,
        splits=runs.training_splits,
    output:
        paths.TRAINING_VIDEOS,
    log:
        paths.log(paths.TRAINING_VIDEOS),
    benchmark:
        paths.benchmark(paths.TRAINING_VIDEOS)
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        root=runs.training_root,
        seed=config["seed"],
        max_failed_fraction=config["max_failed_fraction"],
        version=version("pretraining", "select_videos"),
    shell:
        "python -m workflow_scripts.pretraining.select_videos {params.files}"
        " --output {output:q} --subset={wildcards.subset:q} --seed {params.seed:q} --root {params.root:q}"
        " --max-failed-fraction {params.max_failed_fraction:q} --log {log:q}"


rule pretraining:
    """Trains the 3D ResNet by Video IR, by Video LA (with or without the IDT prior), or supervised (paper 3.1-3.3)."""
    input:
        videos=runs.videos,
        frames=runs.frames,
        clusters_file=runs.clusters,
        sketches=runs.sketches,
        init=runs.init,
        validation=runs.validation,
        validation_frames=runs.validation_frames,
    output:
        paths.MODEL,
    log:
        paths.log(paths.MODEL),
    benchmark:
        paths.benchmark(paths.MODEL)
    conda:
        "../envs/gpu.yaml"
    threads: runs.threads
    resources:
        launcher="python -m",  # a profile sets torchrun if a training has several GPUs
        # Not a parameter, because a changed parameter would rerun the training.
        checkpoint_minutes=runs.checkpoint_minutes,
        loaders=loaders,
    params:
        files=stage_inputs,
        objective=runs.value("objective"),
        clusters=runs.value("clusters"),
        settings=runs.settings,
        checkpoints=paths.checkpoints(paths.MODEL),
        version=version("pretraining", "train"),
    shell:
        "{resources.launcher} workflow_scripts.pretraining.train {params.files}"
        " --output {output:q} --checkpoints {params.checkpoints:q}"
        " --run={wildcards.run:q} --seed {wildcards.seed:q}"
        " --objective {params.objective:q} --clusters={params.clusters:q}"
        " --settings {params.settings:q} --workers {resources.loaders:q}"
        " --checkpoint-minutes {resources.checkpoint_minutes:q} --log {log:q}"
