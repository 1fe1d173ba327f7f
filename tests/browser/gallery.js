// The gallery and the search, in each browser of suite.js.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer, request } from 'node:http';
import { test } from 'node:test';
import { axe } from './suite.js';

// The colours of a part of the page, as hexadecimal numbers.
async function colours(page, clip) {
  const png = await page.screenshot({ clip, caret: 'initial' });
  const toRaw = ['-loglevel', 'error', '-i', '-', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'];
  return execFileSync('ffmpeg', toRaw, { input: png }).toString('hex').match(/.{6}/g);
}

// A server in front of filmstrip whose pictures never arrive whole.
async function withSlowPictures(port) {
  const waiting = new Set();
  const server = createServer((from, to) => {
    if (from.url.endsWith('.jpg')) {
      waiting.add(to);
      to.on('close', () => waiting.delete(to));
      to.writeHead(200, { 'Content-Type': 'image/jpeg' }).write('x');
      return;
    }
    const { url: path, method, headers } = from;
    const onward = request({ port, path, method, headers }, (answer) => {
      to.writeHead(answer.statusCode, answer.headers);
      answer.pipe(to);
    });
    to.on('close', () => onward.destroy());
    onward.on('error', () => to.destroy());
    onward.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port: server.address().port, waiting, stop };
}

export function galleryTests(bench) {
  // Firefox says 304 when a page is opened again. Playwright takes a page from its cache for a navigation that doesn't
  // end, and says that the next one is interrupted by it.
  const open = async (path) => {
    for (let left = 3; ; left--) {
      try {
        return await bench.page.goto(bench.at(path));
      } catch (error) {
        if (!left || !/interrupted by another navigation/.test(error.message)) throw error;
      }
    }
  };
  // Playwright doesn't notice when Firefox restores a page from its cache: goBack and locators then wait forever, and
  // waitForURL sees the previous URL. So the tests ask the page itself.
  const back = () => bench.page.evaluate('void setTimeout(() => history.back())');
  const found = () => bench.page.locator('#found').textContent();
  const hits = () => bench.page.locator('#hits li').evaluateAll((items) =>
    items.map((item) => [...item.querySelectorAll('b, small')].map((part) => part.textContent).join(' < ')));
  const search = async (text) => {
    await bench.page.keyboard.press('/');
    await bench.page.keyboard.type(text);
    await bench.until("!['', 'Searching …'].includes(document.getElementById('found').textContent)");
  };
  const remember = (records) => bench.page.evaluate((films) => {
    const all = Object.entries(films);
    const paths = all.map(([path, film], at) => [path, { at: 0, title: path, when: 9 - at, ...film }]);
    localStorage.setItem('filmstrip', JSON.stringify(Object.fromEntries(paths)));
  }, records);
  const MIXED = '/?path=Posters/Mixed';
  const SUMMER = '/watch/Posters/Mixed/%C3%89t%C3%A9_%C3%A0.la%20Mer.mp4';

  test('the search finds films in all folders, whatever the order of words, the case and the accents', async () => {
    const rows = [
      ['MER ete la', '1 video', ['Été_à.la Mer < Posters/Mixed']],
      ['mixed  sea', 'Nothing found', []],
      ['sample', '1 video', ['Sample < All videos']],
      ['stream', '1 video', ['Stream < All videos']],
      ['episode 2', '1 video', ['Episode 2 < Show']],
      ['mixed post', '1 folder, 4 videos', [
        'Mixed < Folder in Posters', 'Été_à.la Mer < Posters/Mixed', 'Largest < Posters/Mixed',
        'Newest < Posters/Mixed', 'Old < Posters/Mixed',
      ]],
    ];
    for (const [text, count, want] of rows) {
      await open('/?path=Hostile');
      await search(text);
      assert.equal(await found(), count, text);
      assert.deepEqual((await hits()).sort(), want.sort(), text);
      await bench.page.keyboard.press('Escape');
      assert.equal(await bench.page.locator('#hits').isVisible(), false);
      assert.equal(await bench.page.locator('#search').inputValue(), '');
    }
  });

  test('a hit in a title comes before the hits in a folder\'s', async () => {
    await open('/');
    await search('film 77');
    assert.equal((await hits())[0], 'Film 77 < Many');
    await bench.page.locator('#search').fill('many');
    await bench.until("document.getElementById('found').textContent.startsWith('1 folder, 10000 videos')");
    assert.equal((await hits())[0], 'Many < Folder in All videos');
    assert.equal((await hits()).length, 50);
  });

  test('one fetch serves every key, and ten thousand films are searched at once', async () => {
    const fetched = [];
    bench.context.on('request', (it) => it.url().endsWith('/api/videos') && fetched.push(it.url()));
    await open('/?path=Show');
    assert.equal(fetched.length, 0);
    await search('f');
    const took = await bench.page.evaluate(() => {
      const begun = performance.now();
      const box = document.getElementById('search');
      box.value = '77';
      box.dispatchEvent(new Event('input'));
      const shown = () => (document.getElementById('found').textContent.startsWith('280')
        ? performance.now() - begun : new Promise((resolve) => setTimeout(resolve)).then(shown));
      return shown();
    });
    assert.ok(took < 1000, `it took ${took} ms`);
    assert.equal(fetched.length, 1);
  });

  test('with the keyboard alone: gallery, search, film, and back to the search', async () => {
    await open('/');
    await search('mer ete');
    await bench.page.keyboard.press('ArrowDown');
    assert.equal(await bench.page.evaluate('document.activeElement.pathname'), SUMMER);
    await bench.page.keyboard.press('ArrowUp');
    assert.equal(await bench.page.evaluate('document.activeElement.id'), 'search');
    await bench.page.keyboard.press('ArrowDown');
    const opens = `location.pathname === '${SUMMER}' && film.readyState > 0`;
    await bench.page.keyboard.press('Enter');
    await bench.until(opens);
    const address = await bench.page.evaluate("sessionStorage.getItem('filmstrip.back')");
    assert.equal(address, '/#search=mer+ete');
    for (const go of [back, () => open(address)]) {
      await go();
      await bench.until("document.querySelectorAll('#hits a').length === 1");
      assert.equal(await bench.page.evaluate("document.getElementById('search').value"), 'mer ete');
      // At the field, or at the hit in a page from the browser's cache.
      assert.ok(await bench.page.evaluate("document.querySelector('search').contains(document.activeElement)"));
      await bench.page.keyboard.press('Enter');
      await bench.until(opens);
    }
  });

  test('the search on the player\'s page keeps its keys to itself', async () => {
    await open('/watch/Sample.mp4');
    await bench.until('film.readyState > 0');
    await search('mkf episode');
    await bench.page.keyboard.press('ArrowDown');
    assert.deepEqual(await bench.film('[film.muted, film.paused, film.volume]'), [false, true, 1]);
    await bench.page.locator('#search').fill('episode 2');
    await bench.until("document.querySelectorAll('#hits a').length === 1");
    await bench.page.locator('#hits a').click();
    await bench.page.waitForURL(bench.at('/watch/Show/Episode%202.mp4'));
  });

  test('a film that is chosen is to be played, but not one that is opened in a tab of its own', async () => {
    await open(MIXED);
    const marks = await bench.page.evaluate(() => {
      const link = document.querySelector('.listed .cards a');
      addEventListener('click', (event) => event.preventDefault());
      const mark = (options) => {
        sessionStorage.removeItem('filmstrip.play');
        link.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, ...options }));
        return sessionStorage.getItem('filmstrip.play');
      };
      return [mark({}), mark({ ctrlKey: true }), mark({ metaKey: true }), mark({ shiftKey: true })];
    });
    assert.deepEqual(marks, [SUMMER, null, null, null]);
  });

  test('a search that fails says so, and the next one works', async () => {
    bench.tolerated = /./;
    await bench.context.route('**/api/videos', (route) => route.abort());
    await open('/');
    await search('sample');
    assert.equal(await found(), 'The search failed. Is the server there?');
    await bench.context.unroute('**/api/videos');
    await bench.page.locator('#search').fill('sampl');
    await bench.until("document.querySelectorAll('#hits a').length === 1");
  });

  test('videos are sorted by name, date or size, and the choice is remembered', async () => {
    await open(MIXED);
    const titles = () => bench.page.locator('#videos b').allTextContents();
    const names = ['Été_à.la Mer', 'Largest', 'Newest', 'Old'];
    assert.deepEqual(await titles(), names);
    await bench.page.getByLabel('Sort by').selectOption('largest');
    assert.equal((await titles())[0], 'Largest');
    await bench.page.getByLabel('Sort by').selectOption('newest');
    assert.equal((await titles())[0], 'Newest');
    await bench.page.reload();
    assert.equal((await titles())[0], 'Newest');
    await bench.page.getByLabel('Sort by').selectOption('name');
    assert.deepEqual(await titles(), names);
  });

  test('folders tell how many videos they have', async () => {
    await open('/');
    const counts = await bench.page.locator('.folders a').evaluateAll((links) =>
      Object.fromEntries(links.map((link) => ['b', 'small'].map((part) => link.querySelector(part)?.textContent))));
    const want = { Many: '1000+ videos', Posters: '34 videos', Show: '3 videos', Stream: '1 video' };
    for (const [name, count] of Object.entries(want)) assert.equal(counts[name], count, name);
  });

  test('cards show what was watched, how far, how long it is, and what is up next', async () => {
    await open(MIXED);
    const at = (name) => `/watch/Posters/Mixed/${name}.mp4`;
    await remember({
      [SUMMER]: { at: 5400, of: 6120, done: true },
      [at('Largest')]: { at: 60, of: 600 },
      [at('Newest')]: { next: true },
      [at('Old')]: { at: 1, of: 90 },
      '/watch/Sample.mp4': { at: 10, of: 20 },
    });
    await bench.page.reload();
    const texts = (cards) => cards.map((card) => ['b', 'small', '.mark', 'progress'].map((part) => {
      const it = card.querySelector(part);
      return it ? it.ariaLabel ?? it.textContent.replace(/ ·.*/, '') : null;
    }));
    const size = (await bench.page.locator('#videos small').nth(2).textContent()).replace(/ ·.*/, '');
    assert.deepEqual(await bench.page.locator('#videos li').evaluateAll(texts), [
      ['Été_à.la Mer', '1 h 42 min', 'Watched', null],
      ['Largest', '10 min', null, '10 % watched'],
      ['Newest', size, null, null],
      ['Old', '2 min', null, null],
    ]);
    const row = await bench.page.locator('#continue li').evaluateAll(texts);
    const states = row.map(([, small, , progress]) => [small, progress]);
    assert.deepEqual(states, [['9 min left', '10 % watched'], ['Up next', null]]);
  });

  test('the focus ring of a card is whole', async () => {
    // In Firefox, taking a screenshot adds a style, which the policy forbids.
    bench.tolerated = /inline style/;
    const path = '/watch/Posters/Mixed/Old.mp4';
    await open('/');
    await remember({ '/watch/Sample.mp4': { at: 10, of: 20 }, [path]: { next: true } });
    for (const [page, selector] of [
      ['/', '.folders a'], ['/', '#continue a'], ['/', '#continue li:last-child a'], ['/', '#videos a'],
      [MIXED, '.crumbs a'], ['/', '.quiet a'],
    ]) {
      await open(page);
      const link = bench.page.locator(selector).first();
      await bench.page.keyboard.press('Tab');
      await link.focus();
      await link.evaluate((it) => it.scrollIntoView({ block: 'center' }));
      const { x, y, width, height } = await link.boundingBox();
      // The ring is 2 to 5 pixels outside of the link; for each side, a line of pixels across its middle.
      const [left, top] = [Math.floor(x) - 6, Math.floor(y) - 6];
      const [across, down] = [Math.ceil(width) + 12, Math.ceil(height) + 12];
      const pixels = await colours(bench.page, { x: left, y: top, width: across, height: down });
      const pixel = (column, row) => pixels[row * across + column];
      const [middle, centre] = [across >> 1, down >> 1];
      const line = (of) => [0, 1, 2, 3, 4, 5].map(of);
      const sides = [
        line((at) => pixel(middle, at)), line((at) => pixel(middle, down - 1 - at)),
        line((at) => pixel(at, centre)), line((at) => pixel(across - 1 - at, centre)),
      ];
      const cut = sides.filter((side) => !side.includes('b93c0a'));
      assert.deepEqual(cut, [], `${page} ${selector}`);
    }
  });

  test('posters are shown whole: upright cards, or a blurred fill', async () => {
    const shapes = (images) => images.map((it) => {
      const { width, height } = it.getBoundingClientRect();
      const box = it.closest('.fit');
      return [Math.sign(height - width), getComputedStyle(it).objectFit, Boolean(box?.style.backgroundImage)].join(' ');
    });
    const images = bench.page.locator('#videos img');
    // The pictures are there before the script.
    await bench.context.route('**/gallery.js', async (route) => {
      await bench.until("[...document.querySelectorAll('#videos img')].filter((it) => it.complete).length > 20");
      await route.continue();
    });
    await bench.page.setViewportSize({ width: 1280, height: 4000 });
    await bench.page.goto(bench.at('/?path=Posters/Tall'), { waitUntil: 'commit' });
    await bench.until("document.querySelectorAll('#videos .fit').length === 1");
    await bench.context.unroute('**/gallery.js');
    const tall = await images.evaluateAll(shapes);
    assert.deepEqual(tall.slice(0, 4), ['1 contain false', '1 contain true', '1 contain false', '1 contain false']);
    await open(MIXED);
    await bench.until("document.querySelectorAll('#videos .fit').length === 1");
    const mixed = await images.evaluateAll(shapes);
    assert.deepEqual(mixed, ['-1 contain false', '-1 contain false', '-1 contain true', '-1 contain false']);
  });

  test('after a film, the gallery is where it was left', async () => {
    const path = '/?path=Posters/Tall';
    await open(path);
    await bench.until("document.querySelector('.upright')");
    const link = bench.page.locator('#videos a').nth(23);
    await link.scrollIntoViewIfNeeded();
    const before = await bench.page.evaluate('scrollY');
    assert.ok(before > 300, `${before}`);
    const address = await link.getAttribute('href');
    // These films are empty.
    bench.tolerated = /416|404/;
    for (const go of [back, () => open(path)]) {
      await bench.page.evaluate('document.querySelectorAll("#videos a")[23].click()');
      await bench.until(`location.pathname === '${address}' && document.readyState === 'complete'`);
      await go();
      await bench.until(`Math.abs(scrollY - ${before}) < 3`);
    }
    assert.equal(await bench.page.evaluate('document.activeElement.pathname'), address);
    // Not so after another page.
    await bench.page.evaluate('document.querySelector(".brand").click()');
    await bench.until("location.search === '' && document.readyState === 'complete'");
    await open(path);
    assert.equal(await bench.page.evaluate('scrollY'), 0);
  });

  test('thirty slow pictures don\'t delay the film', async () => {
    // The slow server ends before the page does.
    bench.tolerated = /ERR_(INCOMPLETE|CONNECTION|CONTENT_LENGTH|EMPTY|SOCKET)/;
    const slow = await withSlowPictures(bench.server.port);
    try {
      const at = (path) => `http://${bench.host}:${slow.port}${path}`;
      await bench.page.setViewportSize({ width: 1280, height: 4000 });
      await bench.page.goto(at('/?path=Posters/Tall'), { waitUntil: 'commit' });
      await bench.until("document.getElementById('search')?.closest('search').hidden === false");
      for (const begun = Date.now(); slow.waiting.size < 6; await new Promise((next) => setTimeout(next, 20))) {
        assert.ok(Date.now() - begun < 30_000, `only ${slow.waiting.size} pictures were requested`);
      }
      await bench.page.evaluate(() => {
        const link = document.querySelector('#videos a');
        link.href = '/watch/Sample.mp4';
        link.click();
      });
      await bench.page.waitForURL(at('/watch/Sample.mp4'), { timeout: 20_000, waitUntil: 'commit' });
      await bench.until('film?.readyState > 0');
    } finally {
      slow.stop();
    }
  });

  test('long breadcrumbs have one line each, with the slash behind the name', async () => {
    await bench.page.setViewportSize({ width: 360, height: 740 });
    await open(MIXED);
    const crumbs = await bench.page.evaluate(() => {
      const items = [...document.querySelectorAll('.crumbs li')];
      const long = 'A folder with a rather long name, and more of it';
      document.querySelectorAll('.crumbs bdi').forEach((it) => (it.textContent = long));
      const slash = (item, side) => getComputedStyle(item, side).content.includes('/');
      return items.map((item) => [item.offsetHeight, slash(item, '::before'), slash(item, '::after')]);
    });
    assert.deepEqual(crumbs, [[44, false, true], [44, false, true], [44, false, false]]);
    const wide = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
    assert.equal(await bench.page.evaluate(wide), 0);
  });

  test('on a phone, whatever can be touched is 44 pixels high and wide', async () => {
    await bench.page.setViewportSize({ width: 360, height: 740 });
    await open(MIXED);
    await remember({ [SUMMER]: { at: 60, of: 600 } });
    for (const path of [MIXED, '/', '/?path=none']) {
      bench.tolerated = /404/;
      await open(path);
      await search('episode');
      const small = await bench.page.evaluate(() => {
        const isSmall = (it) => {
          const { width, height } = (it.closest('label') ?? it).getBoundingClientRect();
          return width > 1 && (width < 43.9 || height < 43.9);
        };
        return [...document.querySelectorAll('a, button, input, select')].filter(isSmall).map((it) => it.outerHTML);
      });
      assert.deepEqual(small, [], path);
    }
  });

  test('axe finds nothing in any state, and nothing scrolls sideways', bench.once, async () => {
    await bench.page.setViewportSize({ width: 360, height: 740 });
    await open('/');
    await remember({ [SUMMER]: { at: 60, of: 600, done: true }, '/watch/Sample.mp4': { at: 10, of: 20 } });
    const player = '/watch/Sample.mp4';
    for (const [path, text] of [['/', ''], [MIXED, ''], ['/', 'episode'], ['/', 'nowhere'], [player, 'e']]) {
      await open(path);
      if (text) await search(text);
      for (const colorScheme of ['light', 'dark']) {
        await bench.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        const { violations } = await axe(bench.page);
        const findings = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
        // The player's own are in its tests.
        const ours = path.startsWith('/watch') ? findings.filter((it) => /search|hits/.test(it)) : findings;
        assert.deepEqual(ours, [], `${colorScheme} ${path} ${text}`);
        const wide = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
        assert.equal(await bench.page.evaluate(wide), 0, path);
      }
    }
  });

  test('a browser finds the icons and the manifest', async () => {
    await open('/');
    const types = await bench.page.evaluate(() => {
      const address = (rel) => document.querySelector(`link[rel=${rel}]`).href;
      const all = [address('icon'), address('apple-touch-icon'), address('manifest'), '/favicon.ico'];
      return Promise.all(all.map(async (it) => {
        const { status, headers } = await fetch(it);
        return `${status} ${headers.get('content-type')} ${Boolean(headers.get('etag'))}`;
      }));
    });
    const want = ['image/svg+xml', 'image/png', 'application/manifest+json', 'image/x-icon'];
    assert.deepEqual(types, want.map((type) => `200 ${type} true`));
    if (bench.name !== 'chromium') return;
    const session = await bench.context.newCDPSession(bench.page);
    const { errors, data } = await session.send('Page.getAppManifest');
    assert.deepEqual([errors, JSON.parse(data).name], [[], 'filmstrip']);
  });

  if (bench.name !== 'chromium') return;

  test('without scripts there is no search and no order to choose', async () => {
    const context = await bench.context.browser().newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    for (const path of [MIXED, '/watch/Sample.mp4']) {
      await page.goto(bench.at(path));
      assert.equal(await page.locator('search').isVisible(), false, path);
    }
    await page.goto(bench.at(MIXED));
    assert.equal(await page.locator('#sort').isVisible(), false);
    assert.equal(await page.locator('.listed b').count(), 4);
    await context.close();
  });

  test('with forced colours, drawn posters and progress are still there', async () => {
    await open('/');
    await remember({ '/watch/Big.mp4': { at: 50, of: 100 } });
    await bench.page.emulateMedia({ forcedColors: 'active' });
    await bench.page.reload();
    const drawn = bench.page.locator('#videos i').first();
    await drawn.scrollIntoViewIfNeeded();
    const { x, y, width, height } = await drawn.boundingBox();
    const picture = new Set(await colours(bench.page, { x, y, width, height }));
    assert.ok(picture.size > 100, `${picture.size} colours`);
    assert.ok(picture.has('ff7a42'), 'the progress');
  });

  test('on paper there are the cards, black on white, and no controls', async () => {
    await open('/');
    await bench.page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    for (const selector of ['.top', '#sort', '#continue']) {
      assert.equal(await bench.page.locator(selector).isVisible(), false, selector);
    }
    assert.equal(await bench.page.locator('#videos b').count(), 4);
    assert.equal(await bench.page.evaluate('getComputedStyle(document.body).color'), 'rgb(28, 26, 24)');
  });
}
