"""REQUIRED INPUTS: the results of every stage

OUTPUTS: results/report/index.html, results/tables/, results/config.yaml
"""

for table in config["report"]["tables"]:

    rule:
        name:
            table
        input:
            f"results/tables/{table}.tsv",


localrules:
    resolved_config,


rule resolved_config:
    """Writes down the config with all defaults, as it was run."""
    output:
        "results/config.yaml",
    log:
        "results/logs/config.log",
    conda:
        "../envs/pipeline.yaml"
    params:
        text=lambda wildcards: str(arguments.in_file(as_yaml(config))),
    shell:
        "cp {params.text:q} {output:q} 2> {log:q}"


rule examples:
    """Draws trajectories and masked people on frames of a few videos (paper 3.3)."""
    input:
        videos=example_videos,
        boxes=example_boxes,
    output:
        "results/report/examples.html",
    log:
        "results/logs/report/examples.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=literal(section("trajectories")),
        reading=READING,
        boxes=argument("boxes"),
        version=stage_settings.version("report"),
    shell:
        "python -m workflow_scripts.report.examples.draw_examples"
        " --videos {input.videos:q} {params.boxes} --output {output:q}"
        " --settings {params.settings:q} --reading {params.reading:q} --log {log:q}"


rule people:
    """Measures what masking people does to the estimate of the camera's motion (paper 3.3)."""
    input:
        videos=people_videos,
        boxes=people_boxes,
    output:
        page="results/report/people.html",
        table="results/report/people.tsv",
    log:
        "results/logs/report/people.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        settings=literal(section("trajectories")),
        reading=READING,
        version=stage_settings.version("report"),
    shell:
        "python -m workflow_scripts.report.examples.measure_people"
        " --videos {input.videos:q} --boxes {input.boxes:q} --output {output.page:q} --table {output.table:q}"
        " --settings {params.settings:q} --reading {params.reading:q} --log {log:q}"


rule report:
    """Builds the page: tables, curves, clusters, times (paper 4.3-4.5)."""
    input:
        evaluations=evaluation_results,
        models=report_models,
        clusters=report_clusters,
        indexes=report_indexes,
        frames=training_frames,
        statuses=report_statuses,
        paper_tables=expand("results/tables/{table}.html", table=config["report"]["tables"]),
        examples="results/report/examples.html",
        people=report_people,
        config="results/config.yaml",
    output:
        page=report("results/report/index.html", category="Report", caption="../docs/captions/index.rst"),
        few_shot=report(
            "results/report/figures/few_shot.svg", category="Figures", caption="../docs/captions/few_shot.rst"
        ),
        curves=report("results/report/figures/curves.svg", category="Figures", caption="../docs/captions/curves.rst"),
        confusion=report(
            "results/report/figures/confusion.svg", category="Figures", caption="../docs/captions/confusion.rst"
        ),
        training=report(
            "results/report/figures/training.svg", category="Figures", caption="../docs/captions/training.rst"
        ),
        nmi=report("results/report/figures/nmi.svg", category="Figures", caption="../docs/captions/nmi.rst"),
        methods=report(
            "results/tables/method_table.tsv", category="Tables", caption="../docs/captions/method_table.rst"
        ),
        agreements=report(
            "results/tables/cluster_table.tsv", category="Tables", caption="../docs/captions/cluster_table.rst"
        ),
    log:
        "results/logs/report.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        evaluations=argument("evaluations"),
        models=argument("models"),
        clusters=argument("clusters"),
        frames=argument("frames"),
        statuses=argument("statuses"),
        paper_tables=argument("paper_tables"),
        people=argument("people"),
        settings=literal(section("report")),
        benchmarks="results/benchmarks",
        version=stage_settings.version("report"),
    shell:
        "python -m workflow_scripts.report.page.build_report"
        " {params.evaluations} {params.models} {params.clusters}"
        " --indexes {input.indexes:q} {params.frames} {params.statuses} {params.paper_tables}"
        " --examples {input.examples:q} {params.people}"
        " --benchmarks {params.benchmarks:q} --config {input.config:q}"
        " --method-table {output.methods:q} --cluster-table {output.agreements:q} --output {output.page:q}"
        " --settings {params.settings:q} --log {log:q}"


rule paper_table:
    """Puts a table of the paper beside ours (paper, tables 1-7, figure 4)."""
    input:
        evaluations=table_results,
        config="results/config.yaml",
    output:
        tsv="results/tables/{table}.tsv",
        markdown="results/tables/{table}.md",
        latex="results/tables/{table}.tex",
        html="results/tables/{table}.html",
    log:
        "results/logs/tables/{table}.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        evaluations=argument("evaluations"),
        table=table_settings,
        version=stage_settings.version("report"),
    shell:
        "python -m workflow_scripts.report.tables.paper_table"
        " {params.evaluations} --config {input.config:q}"
        " --output {output.tsv:q} --markdown {output.markdown:q} --latex {output.latex:q} --html {output.html:q}"
        " --table {params.table:q} --log {log:q}"
