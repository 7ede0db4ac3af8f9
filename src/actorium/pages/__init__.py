"""The pages that the server shows to people: a landing page and its own documentation."""
