"""Documents become HTML that is safe to show, with links that lead to pages."""

from __future__ import annotations

import pytest

from actorium.pages.markdown import Listed, listed_links, render


def html(text: str) -> str:
    return render(text, relink=lambda target: target).html


def test_the_title_is_the_first_heading() -> None:
    assert render("# A `b` c\n\n# Other\n", relink=str).title == "A b c"
    assert render("no heading", relink=str).title == ""


def test_headings_get_anchors_unique_in_their_document() -> None:
    found = html("## What it is, really\n## 2. Run `it`\n## Twice\n## Twice\n### twice\n")
    for anchor in ("what-it-is-really", "2-run-it", "twice", "twice-1", "twice-2"):
        assert f'id="{anchor}"' in found


def test_tables_and_code_are_rendered() -> None:
    assert "<td>1</td>" in html("| a |\n|---|\n| 1 |\n")
    assert '<pre><code class="language-sh">a &lt; b\n</code></pre>' in html("```sh\na < b\n```\n")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        'a <img src=x onerror="alert(1)"> b',
        "[a](javascript:alert(1))",
        '[a](<x" onclick="alert(1)>)',
        "![a](data:text/html,<script>alert(1)</script>)",
        '```"><script>alert(1)</script>\n```',
        "# <script>alert(1)</script>",
    ],
)
def test_markdown_cannot_bring_scripts(text: str) -> None:
    found = html(text).lower()
    assert "<script" not in found
    assert 'href="javascript' not in found
    assert "<img" not in found
    assert ' onclick="' not in found


def test_comments_are_not_shown() -> None:
    assert html("a\n\n<!-- made by\na script -->\n\nb\n") == "<p>a</p>\n<p>b</p>\n"
    assert "&lt;!--" in html("`<!--` begins a comment\n")


def test_links_are_rewritten_and_those_that_lead_nowhere_become_text() -> None:
    found = render("[a](x.md) [b](gone.md)", relink=lambda target: {"x.md": "y"}.get(target)).html
    assert found == '<p><a href="y">a</a> <a>b</a></p>\n'


def test_the_contents_are_the_links_that_head_list_items() -> None:
    text = (
        "# Top\n- [One](one.md) is first, see [also](also.md)\n- plain, [later](later.md)\n\n"
        "## Next `part`\n1. [Two](b/two.md)\n"
    )
    assert list(listed_links(text)) == [
        Listed(section="Top", text="One", target="one.md"),
        Listed(section="Next part", text="Two", target="b/two.md"),
    ]
