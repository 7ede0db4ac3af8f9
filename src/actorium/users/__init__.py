"""Users and their API tokens: who is asking, and what the API tells about them."""
