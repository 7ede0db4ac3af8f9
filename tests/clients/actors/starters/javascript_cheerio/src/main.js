// Crawlee's CheerioCrawler in the Actor's own storages.
import { Actor } from 'apify';
import { CheerioCrawler, Dataset } from 'crawlee';

await Actor.init();
const { startUrls } = await Actor.getInput();
const crawler = new CheerioCrawler({
    maxRequestsPerCrawl: 20,
    async requestHandler({ enqueueLinks, request, $ }) {
        await Dataset.pushData({ url: request.loadedUrl, title: $('title').text() });
        await enqueueLinks();
    },
});
await crawler.run(startUrls);
await Actor.exit();
