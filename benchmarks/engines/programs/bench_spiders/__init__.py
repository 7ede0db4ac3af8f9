"""The spiders of the engine benchmarks: the same files run under Scrapyd, Prefect and Actorium."""
