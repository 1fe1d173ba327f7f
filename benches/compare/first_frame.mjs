// Prints the milliseconds from the start of a page's load to the first frame of its film, for some loads with an empty
// cache: node first_frame.mjs URL LOADS. Uses Playwright of tests/browser.
import { createRequire } from 'node:module';
const { chromium } = createRequire(new URL('../../tests/browser/', import.meta.url))('playwright-core');

const [url, loads] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
});
try {
  // The browser's own first load is slow.
  for (let load = 0; load <= loads; load++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(() => {
      window.firstFrame = new Promise((resolve) => {
        const film = ({ target }) => target.requestVideoFrameCallback(resolve);
        document.addEventListener('loadstart', film, { capture: true, once: true });
      });
    });
    await page.goto(url);
    const milliseconds = await page.evaluate(() => window.firstFrame);
    if (load > 0) console.log(milliseconds);
    await context.close();
  }
} finally {
  await browser.close();
}
