// The pages as they are set up for others: with a password, and below a path as behind a proxy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serve } from './fixtures.js';

export function setupTests(bench) {
  test('with a password and below a path: gallery, picture, search, film, subtitles, next, back', async () => {
    const server = await serve(bench.media.folder, 0, ['--auth', 'me:secret', '--route-prefix', '/films']);
    const { page } = bench;
    const requests = [];
    page.on('request', (request) => requests.push(request.url()));
    const base = `http://${bench.host}:${server.port}`;
    const path = () => page.evaluate('location.pathname');
    try {
      await page.goto(`${base.replace('//', '//me:secret@')}/films/`);
      await page.getByRole('link', { name: 'Posters' }).click();
      await page.getByRole('link', { name: 'Mixed' }).click();
      await page.getByRole('heading', { name: 'Mixed', level: 1 }).waitFor();
      await page.locator('#search').waitFor();
      await bench.until("[...document.querySelectorAll('.listed img')].some(({ naturalWidth }) => naturalWidth)");
      await page.keyboard.press('/');
      await page.keyboard.type('episode 1');
      await page.locator('#hits a').first().click();
      await bench.until('film && film.currentTime > 0.2');
      assert.equal(await path(), '/films/watch/Show/Episode%201.mp4');
      await page.locator('#next').click();
      await bench.until("document.title.startsWith('Episode 2')");
      await page.goto(`${base}/films/watch/Sample.mp4`);
      await page.keyboard.press('c');
      await bench.until("[...film.textTracks].some(({ mode, cues }) => mode === 'showing' && cues?.length)");
      await page.locator('.back').click();
      await page.locator('.listed').first().waitFor();
      assert.equal(await path(), '/films/');
      const outside = requests.filter((url) => !new URL(url).pathname.startsWith('/films/'));
      assert.deepEqual(outside.filter((url) => !url.startsWith('blob:') && !url.startsWith('data:')), []);
      const files = requests.filter((url) => /\/(video|subtitles)\//.test(url));
      assert.ok(files.length > 3 && files.every((url) => url.includes('?key=')), files.join(' '));
    } finally {
      await page.goto('about:blank');
      await server.stop('SIGKILL');
    }
  });
}
