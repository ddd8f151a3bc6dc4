"""REQUIRED INPUTS: results/{dataset}/trajectories/{descriptors}/{shard}.h5, results/{dataset}/videos/sample.tsv;
if only the trajectories of the sampled videos are stored, also the shard's list of videos and its persons;
for descriptors with `vectors`, only that file and the dataset's lists of videos

OUTPUTS: results/{dataset}/codebook/{descriptors}/joint.h5 and encoding/{descriptors}/{shard}.h5; for the run idt_fisher
encoding/{descriptors}/fisher/{shard}.h5 and, with encoding.per_channel, codebook/{descriptors}/per_channel.h5
"""


rule codebook:
    """Fits PCA and GMM to the sampled videos' descriptors and draws the count sketch (paper 3.3, 4.2)."""
    input:
        data.made_by_file,
        sample=data.sample,
        # An added video changes its shard's file but not the sample. The first file changes if the tracking changes.
        trajectories=ancient(data.sampled_trajectories),
    output:
        paths.CODEBOOK,
    log:
        paths.log(paths.CODEBOOK),
    benchmark:
        paths.benchmark(paths.CODEBOOK)
    priority: 1  # the longest chain of jobs goes through here
    conda:
        "../envs/pipeline.yaml"
    threads: 4
    params:
        files=stage_inputs,
        settings=data.codebook_settings,
        version=version("encoding", "fit_codebook"),
    shell:
        "python -m workflow_scripts.encoding.fit_codebook {params.files}"
        " --output {output:q} --settings {params.settings:q} --threads {threads} --log {log:q}"


rule encoding:
    """Encodes the trajectories of each video as one sketch (paper 3.3, equations 5-6)."""
    input:
        trajectories=data.trajectories,
        codebook=data.joint_codebook,
        videos=data.streamed_videos,
        boxes=data.streamed_boxes,
    output:
        paths.ENCODING,
    log:
        paths.log(paths.ENCODING),
    benchmark:
        paths.benchmark(paths.ENCODING)
    wildcard_constraints:
        descriptors=data.descriptors_pattern(have_vectors=False),
    priority: 1  # the longest chain of jobs goes through here
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        settings=data.streamed_settings,
        reading=data.reading,
        store=paths.store(paths.ENCODING),
        version=version("encoding", "encode_shard"),
    shell:
        "python -m workflow_scripts.encoding.encode_shard {params.files}"
        " --settings {params.settings:q} --reading {params.reading:q}"
        " --output {output:q} --store {params.store:q} --threads {threads} --log {log:q}"


rule vectors:
    """Reads a vector per video from a file that the user has, in place of the sketches."""
    input:
        videos=data.shard_videos,
        index=ancient(data.index),  # a change of the shard's videos changes its list, which reruns the job
        vectors=data.vectors,
    output:
        paths.ENCODING,
    log:
        paths.log(paths.ENCODING),
    benchmark:
        paths.benchmark(paths.ENCODING)
    wildcard_constraints:
        descriptors=data.descriptors_pattern(have_vectors=True),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        root=data.root,
        version=version("encoding", "read_vectors"),
    shell:
        "python -m workflow_scripts.encoding.read_vectors {params.files}"
        " --root {params.root:q} --output {output:q} --log {log:q}"


rule fisher_vectors:
    """Encodes the trajectories of each video as a Fisher vector of 2KD numbers (paper 3.3 and table 4, IDT)."""
    input:
        trajectories=data.trajectories,
        codebook=data.fisher_codebook,
        videos=data.streamed_videos,
        boxes=data.streamed_boxes,
    output:
        paths.FISHER,
    log:
        paths.log(paths.FISHER),
    benchmark:
        paths.benchmark(paths.FISHER)
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        settings=data.streamed_settings,
        reading=data.reading,
        store=paths.store(paths.FISHER),
        version=version("encoding", "encode_shard"),
    shell:
        "python -m workflow_scripts.encoding.encode_shard --fisher {params.files}"
        " --settings {params.settings:q} --reading {params.reading:q}"
        " --output {output:q} --store {params.store:q} --threads {threads} --log {log:q}"
