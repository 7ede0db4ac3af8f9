"""What the page at ``/`` says: that the server runs, where the API is, and the first call."""

from __future__ import annotations

from html import escape

_CURL = """\
TOKEN=$(actorium token)
curl -H "Authorization: Bearer $TOKEN" {api}/v2/users/me"""

_PYTHON = """\
from apify_client import ApifyClient

client = ApifyClient(
    "YOUR TOKEN",
    api_url="{api}",
    api_public_url="{api}",
)
print(client.user().get())"""

_JAVASCRIPT = """\
import {{ ApifyClient }} from 'apify-client';

const client = new ApifyClient({{
    token: 'YOUR TOKEN',
    baseUrl: '{api}',
}});
console.log(await client.user().get());"""


def landing(api_url: str) -> str:
    """The article of the landing page. ``api_url``: where the API answers, without /v2."""
    api = escape(f"{api_url}/v2")
    return f"""\
<h1>Actorium is running</h1>
<p>This server runs Actors on its own machine and speaks the Apify API v2. The API is at <code>{api}</code>.</p>
<p><a href="docs/">Read the documentation</a>, or begin with the <a href="docs/tutorial">tutorial</a>. Every operation
of the API is in the <a href="openapi.json">OpenAPI document</a>.</p>
<h2>The first call</h2>
<p>Calls need a token. On the machine of the server, <code>actorium token</code> prints that of the first user
(in a source checkout: <code>.venv/bin/actorium token</code>).</p>
<h3>curl</h3>
{_code(_CURL, api_url)}
<h3>Python</h3>
<p>With the package <code>apify-client</code>:</p>
{_code(_PYTHON, api_url)}
<h3>JavaScript</h3>
<p>With the package <code>apify-client</code>:</p>
{_code(_JAVASCRIPT, api_url)}
"""


def _code(text: str, api_url: str) -> str:
    return f"<pre><code>{escape(text.format(api=api_url), quote=False)}</code></pre>"
