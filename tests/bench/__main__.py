"""Run the benchmarks, all or one of them; results go to `bench/<name>.json`."""

import typer

from tests.bench import gold, indicators, ingest, pipeline, reads

app = typer.Typer(add_completion=False)
for benchmark in (pipeline, gold, indicators, reads, ingest):
    app.command(benchmark.__name__.rpartition(".")[2])(benchmark.main)


@app.callback(invoke_without_command=True)
def all_of_them(context: typer.Context) -> None:
    """Measure speed and memory: everything, or one of the benchmarks below."""
    if context.invoked_subcommand is None:
        for benchmark in (pipeline, gold, indicators, reads, ingest):
            benchmark.main()


if __name__ == "__main__":
    app()
