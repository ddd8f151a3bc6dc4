"""REQUIRED INPUTS: the results of every stage

OUTPUTS: results/report/index.html, results/tables/, results/config.yaml
"""

for table in config["report"]["tables"]:

    rule:
        name:
            table
        input:
            paths.TABLE.format(table=table),


localrules:
    resolved_config,


rule resolved_config:
    """Writes the config with all defaults."""
    output:
        paths.CONFIG,
    log:
        paths.log(paths.CONFIG),
    conda:
        "../envs/pipeline.yaml"
    params:
        text=pages.config_file,
    shell:
        "cp {params.text:q} {output:q} 2> {log:q}"


rule examples:
    """Draws trajectories and masked persons on frames of a few videos (paper 3.3)."""
    input:
        videos=pages.example_videos,
        boxes=pages.example_boxes,
    output:
        paths.EXAMPLES,
    log:
        paths.log(paths.EXAMPLES),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        settings=data.settings("trajectories"),
        reading=data.reading,
        version=version("report", "draw_examples"),
    shell:
        "python -m workflow_scripts.report.examples.draw_examples {params.files}"
        " --output {output:q} --settings {params.settings:q} --reading {params.reading:q} --log {log:q}"


rule people:
    """Measures how masking persons changes the estimate of the camera's motion (paper 3.3)."""
    input:
        videos=pages.people_videos,
        boxes=pages.people_boxes,
    output:
        page=paths.PEOPLE,
        table=paths.PEOPLE_TABLE,
    log:
        paths.log(paths.PEOPLE),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        settings=data.settings("trajectories"),
        reading=data.reading,
        version=version("report", "measure_people"),
    shell:
        "python -m workflow_scripts.report.examples.measure_people {params.files}"
        " --output {output.page:q} --table {output.table:q}"
        " --settings {params.settings:q} --reading {params.reading:q} --log {log:q}"


rule report:
    """Builds the page: tables, curves, clusters, times (paper 4.3-4.5)."""
    input:
        evaluations=pages.evaluations,
        models=pages.models,
        clusters=pages.clusters,
        indexes=pages.indexes,
        frames=runs.training_frames,
        statuses=pages.statuses,
        paper_tables=expand(paths.TABLE_HTML, table=config["report"]["tables"]),
        examples=paths.EXAMPLES,
        people=pages.people,
        config=paths.CONFIG,
    output:
        page=report(paths.REPORT, category="Report", caption="../docs/captions/index.rst"),
        few_shot=report(
            paths.FIGURE.format(figure="few_shot"), category="Figures", caption="../docs/captions/few_shot.rst"
        ),
        curves=report(paths.FIGURE.format(figure="curves"), category="Figures", caption="../docs/captions/curves.rst"),
        confusion=report(
            paths.FIGURE.format(figure="confusion"), category="Figures", caption="../docs/captions/confusion.rst"
        ),
        training=report(
            paths.FIGURE.format(figure="training"), category="Figures", caption="../docs/captions/training.rst"
        ),
        nmi=report(paths.FIGURE.format(figure="nmi"), category="Figures", caption="../docs/captions/nmi.rst"),
        methods=report(
            paths.TABLE.format(table="method_table"), category="Tables", caption="../docs/captions/method_table.rst"
        ),
        agreements=report(
            paths.TABLE.format(table="cluster_table"), category="Tables", caption="../docs/captions/cluster_table.rst"
        ),
    log:
        paths.log(paths.REPORT),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        settings=data.settings("report"),
        benchmarks=paths.BENCHMARKS,
        version=version("report", "build_report"),
    shell:
        "python -m workflow_scripts.report.page.build_report {params.files}"
        " --benchmarks {params.benchmarks:q}"
        " --method-table {output.methods:q} --cluster-table {output.agreements:q} --output {output.page:q}"
        " --settings {params.settings:q} --log {log:q}"


rule paper_table:
    """Writes a table of our results and the paper's (paper, tables 1-7, figure 4)."""
    input:
        evaluations=pages.table_results,
        config=paths.CONFIG,
    output:
        tsv=paths.TABLE,
        markdown=paths.TABLE_MARKDOWN,
        latex=paths.TABLE_LATEX,
        html=paths.TABLE_HTML,
    log:
        paths.log(paths.TABLE),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    params:
        files=stage_inputs,
        table=pages.table_settings,
        version=version("report", "paper_table"),
    shell:
        "python -m workflow_scripts.report.tables.paper_table {params.files}"
        " --output {output.tsv:q} --markdown {output.markdown:q} --latex {output.latex:q} --html {output.html:q}"
        " --table {params.table:q} --log {log:q}"
