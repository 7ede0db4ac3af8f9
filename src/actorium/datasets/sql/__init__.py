"""SQL over datasets: one sandboxed child process for each query, with the datasets of that query as its only input."""
