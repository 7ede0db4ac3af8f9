"""Request queues: requests to do, each once, handed out under locks that expire."""
