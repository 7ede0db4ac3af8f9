// No package.json and no Dockerfile: all of it is what the base brings.
const { Actor } = require('apify');

Actor.main(async () => {
    const { startUrls } = await Actor.getInput();
    for (const { url } of startUrls) {
        const text = await (await fetch(url)).text();
        await Actor.pushData({ url, title: /<title>(.*?)<\/title>/.exec(text)[1] });
    }
});
