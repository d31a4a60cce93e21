// Scrapes the metrics of an agent once a second, as Prometheus does, and has the feed of its page open, as browsers
// do: what a page costs the agent, without what a browser costs the machine.
//
//     node benchmarks/admin-viewers.mjs ADDRESS SCRAPERS PAGES
import { get } from 'node:http';

const [address, scrapers = 1, pages = 0] = process.argv.slice(2);
const OPENMETRICS = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';
const SECOND = 1_000;

function scrape() {
  const headers = { accept: OPENMETRICS };
  get(`http://${address}/metrics`, { headers }, (response) => response.resume());
}

function watch() {
  return new Promise((resolve) => {
    get(`http://${address}/api/events`, { agent: false }, (response) => {
      response.once('data', resolve);
      response.resume();
    });
  });
}

for (let i = 0; i < Number(scrapers); i += 1) setInterval(scrape, SECOND);
await Promise.all(Array.from({ length: Number(pages) }, watch));
process.send?.('ready');
