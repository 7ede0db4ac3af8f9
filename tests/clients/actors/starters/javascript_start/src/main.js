// The plain SDK with fetch and Cheerio.
import { Actor } from 'apify';
import * as cheerio from 'cheerio';

await Actor.init();
const { startUrls = [] } = (await Actor.getInput()) ?? {};
for (const { url } of startUrls) {
    const reply = await fetch(url);
    const $ = cheerio.load(await reply.text());
    await Actor.pushData({ url, title: $('title').text() });
}
await Actor.exit();
