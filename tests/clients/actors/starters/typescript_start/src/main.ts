// TypeScript, compiled in a stage of its own.
import { Actor } from 'apify';
import { CheerioCrawler, type Dictionary } from 'crawlee';

interface Input {
    startUrls: { url: string }[];
}

await Actor.init();
const input = await Actor.getInput<Input>();
if (input === null) throw new Error('An input is needed');
const crawler = new CheerioCrawler({ maxRequestsPerCrawl: 20 });
crawler.router.addDefaultHandler(async ({ enqueueLinks, request, $ }) => {
    const item: Dictionary<string> = { url: request.loadedUrl, title: $('title').text() };
    await Actor.pushData(item);
    await enqueueLinks();
});
await crawler.run(input.startUrls);
await Actor.exit();
