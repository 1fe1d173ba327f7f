// The gallery and the player as a person uses them: in Chromium at an address that is a secure context (127.0.0.1) and
// at one that isn't (http://nas.test), and in Firefox at the latter, over WebDriver BiDi. Each suite has a server and a
// browser of its own, so that several run at once.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium, firefox } from 'playwright-core';
import { HOSTILE, serve } from './fixtures.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PATIENCE = 120_000;
// Chromium's messages about a connection that a test breaks.
const BROKEN = /ERR_(CONNECTION|EMPTY_RESPONSE|INCOMPLETE|SOCKET|CONTENT_LENGTH)/;
const PROGRAMS = {
  chromium: process.env.CHROMIUM ?? '/usr/bin/chromium',
  firefox: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
};
const LAUNCH = {
  chromium: (executablePath) =>
    chromium.launch({
      executablePath,
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP nas.test 127.0.0.1',
      ],
    }),
  firefox: (executablePath) =>
    firefox.launch({
      executablePath,
      channel: 'moz-firefox',
      firefoxUserPrefs: { 'network.dns.localDomains': 'nas.test' },
    }),
};

// The tests of this file, or those that `others` defines.
export function suite(media, name, host, others) {
  const missing = !existsSync(PROGRAMS[name]) && !process.env.FILMSTRIP_TEST_ALL && `${PROGRAMS[name]} is not there`;
  describe(`${others?.name ?? 'suite'}, ${name} at http://${host}`, { skip: missing, concurrency: 1 }, () => {
    let server, browser, context, page;
    // What must not happen in any test: errors in the console, requests to other hosts.
    let problems, tolerated;
    const at = (path) => `http://${host}:${server.port}${path}`;
    const film = (expression) =>
      page.evaluate(`(() => { const film = document.getElementById('film'); return ${expression}; })()`);
    // Polled from here: Playwright's waitForFunction needs eval, which the page's policy forbids.
    const happens = async (condition) => {
      for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; await pause(50)) {
        if (await condition()) return true;
      }
      return false;
    };
    const until = async (expression) => {
      if (await happens(() => film(expression).catch(() => false))) return;
      const values = ['currentTime', 'paused', 'readyState', 'networkState', 'error?.message'];
      const state = `[${values.map((value) => `film?.${value}`)}, document.body.innerText]`;
      assert.fail(`not in time: ${expression}; ${await film(state)}; ${problems}`);
    };
    const open = async (path) => assert.equal((await page.goto(at(path))).status(), 200, path);

    before(async () => {
      server = await serve(media.folder);
      browser = await LAUNCH[name](PROGRAMS[name]);
    });

    after(async () => {
      await browser?.close();
      await server?.stop('SIGKILL');
    });

    beforeEach(async () => {
      context = await browser.newContext({ viewport: { width: 1280, height: 720 } });
      context.setDefaultTimeout(PATIENCE);
      page = await context.newPage();
      problems = [];
      tolerated = /^$/;
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('dialog', (dialog) => problems.push(`dialog: ${dialog.message()}`));
      context.on('request', (request) => {
        if (new URL(request.url()).hostname !== host) problems.push(`elsewhere: ${request.url()}`);
      });
    });

    afterEach(async () => {
      await context.close();
      assert.deepEqual(problems.filter((problem) => !tolerated.test(problem)), []);
    });

    // For the tests in files of their own.
    const bench = {
      name, host, media, at, film, until, open,
      // What depends on neither the host nor the browser is tested once.
      once: { skip: name !== 'chromium' && 'it is tested in another browser' },
      get page() { return page; },
      get context() { return context; },
      get server() { return server; },
      set tolerated(pattern) { tolerated = pattern; },
    };
    if (others) return others(bench);

    test('the gallery lists, and enters a folder', async () => {
      await open('/');
      assert.equal(await page.evaluate('isSecureContext'), host !== 'nas.test');
      const names = ['Hostile', 'Many', 'Player', 'Posters', 'Show', 'Stream', 'Big', 'Old', 'Sample', 'Sound only'];
      assert.deepEqual(await page.locator('.listed b').allTextContents(), names);
      assert.equal(await page.locator('video').count(), 0);
      await page.getByRole('link', { name: 'Show' }).click();
      await page.getByRole('heading', { name: 'Show', level: 1 }).waitFor();
      assert.deepEqual(await page.locator('.listed b').allTextContents(), ['Episode 1', 'Episode 2', 'episode 10']);
      await page.getByRole('navigation', { name: 'Folders above' }).getByRole('link').click();
      await page.waitForURL(at('/'));
    });

    test('a film plays, seeks, pauses, and goes on there after a reload', async () => {
      await open('/watch/Sample.mp4');
      await until('film.readyState > 0');
      const unexpected = "film.querySelector('source').hasAttribute('type') || film.preload !== 'metadata'";
      assert.equal(await film(unexpected), false);
      await page.keyboard.press('k');
      await until('film.currentTime > 0.3 && !film.paused');
      await page.keyboard.press('8');
      await until('film.currentTime > 16.2 && !film.seeking');
      await page.keyboard.press(' ');
      await until('film.paused');
      const position = await film('film.currentTime');
      await page.reload();
      await until(`Math.abs(film.currentTime - ${position}) < 0.5`);
      assert.equal(await film('film.paused'), true);
      await page.goto(at('/'));
      const bar = page.locator('.listed progress');
      assert.ok(Math.abs((await bar.evaluate((it) => it.value / it.max)) - position / 20) < 0.05);
      const row = page.getByRole('region', { name: 'Continue watching' }).or(page.locator('#continue'));
      assert.deepEqual(await row.locator('b').allTextContents(), ['Sample']);
      await row.getByRole('button', { name: 'Remove Sample' }).click();
      await row.waitFor({ state: 'hidden' });
      assert.equal(await page.locator('progress').count(), 0);
    });

    test('the next episode starts automatically, unless that is turned off', async () => {
      await open('/watch/Show/Episode%201.mp4');
      await until('film.readyState > 0');
      await page.keyboard.press('k');
      await page.waitForURL(at('/watch/Show/Episode%202.mp4'));
      await until('!film.paused && film.currentTime > 0.2');
      assert.equal(await page.title(), 'Episode 2 \u00b7 filmstrip');
      const films = await page.evaluate("JSON.parse(localStorage.getItem('filmstrip'))");
      const stored = films['/watch/Show/Episode%201.mp4'];
      assert.deepEqual([stored.at, stored.done], [0, true], 'a finished film starts over');
      await page.getByLabel('Autoplay next').uncheck();
      await until('film.ended');
      await page.reload();
      assert.equal(await page.getByLabel('Autoplay next').isChecked(), false);
      await page.getByRole('link', { name: /Next/ }).click();
      await page.waitForURL(at('/watch/Show/episode%2010.mp4'));
      assert.equal(await page.locator('#next').count(), 0);
      await until('film.readyState > 0');
      await page.keyboard.press('p');
      await page.waitForURL(at('/watch/Show/Episode%202.mp4'));
      await page.goBack();
      await page.getByRole('heading', { name: 'episode 10' }).waitFor();
    });

    test('every key does what the list of keys says', async () => {
      await open('/watch/Sample.mp4');
      await until('film.readyState > 1');
      const reaches = async (key, expression) => {
        await page.keyboard.press(key);
        await until(expression);
      };
      const near = (seconds) => `Math.abs(film.currentTime - ${seconds}) < 0.1`;
      await reaches('4', near(8));
      await reaches('l', near(18));
      await reaches('j', near(8));
      await reaches('ArrowLeft', near(3));
      await reaches('ArrowRight', near(8));
      await reaches('0', near(0));
      await reaches('ArrowDown', 'Math.abs(film.volume - 0.9) < 0.01');
      await reaches('ArrowUp', 'film.volume === 1');
      await reaches('m', 'film.muted');
      await reaches('m', '!film.muted');
      await reaches('>', 'film.playbackRate === 1.25');
      await reaches('<', 'film.playbackRate === 1');
      await reaches('c', "film.textTracks[0].mode === 'showing' && film.textTracks[0].cues?.length === 1");
      await reaches('c', "film.textTracks[1].mode === 'showing' && film.textTracks[0].mode === 'disabled'");
      await reaches('c', "[...film.textTracks].every((track) => track.mode === 'disabled')");
      await reaches('f', 'document.fullscreenElement === film.parentElement');
      await reaches('f', '!document.fullscreenElement');
      await reaches('?', "document.getElementById('keys').open");
      await page.keyboard.press('k');
      assert.equal(await film('film.paused'), true, 'keys have no effect while the list is open');
      await page.getByRole('button', { name: 'Close' }).click();
      await until("!document.getElementById('keys').open");
      // The space bar activates a button that has the focus.
      await page.getByRole('button', { name: 'Keyboard' }).focus();
      await reaches(' ', "document.getElementById('keys').open");
      await reaches('Escape', "!document.getElementById('keys').open");
      // With the focus on the film, a key takes effect once.
      await page.locator('#film').focus();
      await reaches(' ', '!film.paused && film.currentTime > 0.2');
      await reaches('k', 'film.paused');
      await page.getByLabel('Speed').selectOption('2');
      await until('film.playbackRate === 2');
      assert.equal(await page.evaluate("navigator.mediaSession.metadata.title"), 'Sample');
    });

    for (const [file, sentence] of [
      ['Old.avi', 'This browser can\u2019t play this video.'],
      ['Sound only.mp4', 'can\u2019t show its picture'],
    ]) {
      test(`${file}, which the browser can't decode, shows three alternatives`, async () => {
        await open(`/watch/${encodeURIComponent(file)}`);
        const trouble = page.getByRole('alert');
        await trouble.getByText(sentence).waitFor();
        const href = (link) => trouble.getByRole('link', { name: link }).getAttribute('href');
        assert.equal(await href('Playlist for VLC (.m3u)'), `/playlist.m3u?path=${encodeURIComponent(file)}`);
        assert.equal(await href('Download'), `/video/${encodeURIComponent(file)}?download`);
        await trouble.getByRole('button', { name: 'Copy address' }).click();
        await trouble.getByRole('button', { name: 'Copied' }).waitFor();
        const pasted = await context.newPage();
        await pasted.goto(at('/'));
        await pasted.locator('#search').focus();
        await pasted.keyboard.press('Control+V');
        assert.equal(await pasted.locator('#search').inputValue(), at(`/video/${encodeURIComponent(file)}`));
      });
    }

    // A secure context changes nothing in what follows.
    if (host === '127.0.0.1') return;

    test('missing subtitles don\'t interrupt the film', async () => {
      tolerated = /404/;
      await context.route('**/subtitles/**', (route) => route.fulfill({ status: 404, body: '' }));
      await open('/watch/Sample.mp4');
      await until('film.readyState > 1');
      await page.keyboard.press('k');
      await page.keyboard.press('c');
      await until("film.querySelector('track').readyState === HTMLTrackElement.ERROR && film.currentTime > 0.5");
      assert.equal(await page.getByText('Connection lost').count(), 0);
    });

    test('everything in the gallery and the player can be reached with the tab key', async () => {
      for (const [path, wanted] of [
        ['/', ['Skip to the videos', 'filmstrip', 'Search all videos', 'Show', 'Sample']],
        [
          '/watch/Show/Episode%202.mp4',
          ['Back', 'Previous', 'Next', 'Autoplay next', 'Speed', 'Keyboard', 'Other players'],
        ],
      ]) {
        await open(path);
        const reached = [];
        const places = () => wanted.map((name) => reached.findIndex((text) => text.includes(name)));
        while (reached.length < 40 && places().includes(-1)) {
          await page.keyboard.press('Tab');
          const label = () => (document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim();
          reached.push(await page.evaluate(label));
        }
        const order = places();
        const isOrdered = order.every((place, i) => place >= 0 && place >= (order[i - 1] ?? 0));
        assert.ok(isOrdered, `${path}: ${order} in ${reached}`);
      }
    });

    test('the film continues after the server was killed and restarted', async () => {
      tolerated = BROKEN;
      await open('/watch/Big.mp4');
      await until('film.readyState > 2');
      await page.keyboard.press('k');
      await until('film.currentTime > 1');
      await film('film.playbackRate = 8');
      await server.stop('SIGKILL');
      await page.getByText('Connection lost.').waitFor();
      const broken = await film('film.currentTime');
      server = await serve(media.folder, server.port);
      await until(`film.currentTime > ${broken} + 1 && !film.paused`);
      await page.locator('#notice').waitFor({ state: 'hidden' });
      assert.equal(await page.locator('#trouble').isVisible(), false);
    });

    test('the film continues after a pause in which the server closed the connection', async () => {
      tolerated = BROKEN;
      const usual = server;
      server = await serve(media.folder, 0, ['--stall-timeout', '2s']);
      try {
        await open('/watch/Big.mp4');
        await until('film.readyState > 2');
        await page.keyboard.press('k');
        await until('film.currentTime > 1');
        const before = server.log.length;
        await page.keyboard.press('k');
        const isCut = () => server.log.some((line) => line.includes('(client stopped reading)'));
        // Chromium closes the connection itself after a pause of 15 s. On a busy machine it may still read ahead then.
        const isClosed = () => server.log.slice(before).some((line) => line.includes('(connection lost)'));
        const isEnded = () => isCut() || (name === 'chromium' && isClosed());
        assert.ok(await happens(isEnded), server.log.join('\n'));
        const buffered = await film('film.buffered.end(film.buffered.length - 1)');
        assert.ok(buffered < 105, `the browser read ${buffered} s of 110`);
        await film('film.playbackRate = 8');
        await page.keyboard.press('k');
        await until(`film.currentTime > ${buffered} + 1`);
        assert.equal(await page.locator('#trouble').isVisible(), false);
      } finally {
        await server.stop('SIGKILL');
        server = usual;
      }
    });

    test('the film continues after a seek at the connection limit', async () => {
      tolerated = BROKEN;
      const usual = server;
      server = await serve(media.folder, 0, ['--max-connections', '3']);
      const others = [];
      try {
        await open('/watch/Big.mp4');
        await page.keyboard.press('k');
        await until('film.currentTime > 1');
        // Two other clients request a film and don't read it; with the browser's stream, the limit is reached.
        for (let client = 0; client < 2; client++) {
          const socket = connect(server.port, '127.0.0.1');
          socket.pause();
          socket.write('GET /video/Big.mp4 HTTP/1.1\r\nHost: nas\r\n\r\n');
          others.push(socket);
        }
        for (const key of ['8', '2', '6']) {
          await page.keyboard.press(key);
          await until(`film.currentTime > ${key * 11} && film.currentTime < ${key * 11 + 11} && !film.seeking`);
        }
        await until('!film.paused && film.readyState > 2');
        const isRefusal = (line) => line.includes('" 503 ') || line.includes('refused a connection');
        assert.deepEqual(server.log.filter(isRefusal), []);
      } finally {
        others.forEach((socket) => socket.destroy());
        await server.stop('SIGKILL');
        server = usual;
      }
    });

    // One browser is enough to show that the files are served as a player needs them.
    if (name === 'chromium') {
      test('an HLS folder plays unchanged', async () => {
        tolerated = /favicon|status of 404/;
        // A page without a Content-Security-Policy, so that another player may run in it.
        await open('/health');
        await page.addScriptTag({ path: createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js') });
        await page.evaluate(() => {
          const film = document.body.appendChild(document.createElement('video'));
          film.id = 'film';
          film.muted = true;
          const player = new Hls({ enableWorker: false });
          player.loadSource('/video/Stream/film.m3u8');
          player.attachMedia(film);
          film.play();
        });
        await until('film.currentTime > 1');
        await film('film.currentTime = 17');
        await until('film.currentTime > 17.5 && !film.error');
      });
    }

    test('leaving the page closes the film\'s connection, and returning restores the position', async () => {
      await open('/watch/Sample.mp4');
      await until('film.readyState > 0');
      await page.keyboard.press('5');
      await until('film.currentTime === 10 && !film.seeking');
      await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))");
      assert.equal(await film('film.networkState'), 0);
      await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))");
      await until('film.readyState > 0 && film.currentTime === 10');
    });

    test('the three alternatives are always in a menu', async () => {
      await open('/watch/Sample.mp4');
      await page.getByText('Other players').click();
      const download = page.waitForEvent('download');
      await page.locator('.menu').getByRole('link', { name: 'Download' }).click();
      assert.equal((await download).suggestedFilename(), 'Sample.mp4');
    });

    test('hostile names have no effect', async () => {
      await open('/?path=Hostile');
      assert.equal(await page.locator('.cards a').count(), HOSTILE.length);
      const hrefs = (links) => links.map((link) => link.getAttribute('href'));
      const addresses = await page.locator('.cards a').evaluateAll(hrefs);
      for (const address of addresses) {
        await open(address);
        await until('film.readyState > 0');
        assert.equal(await page.evaluate("'hacked' in window"), false, address);
        await page.keyboard.press('5');
        await until('film.currentTime > 1');
      }
      await open('/');
      const shown = await page.locator('#continue b').count();
      assert.ok(shown === 0 || !(await page.evaluate("'hacked' in window")));
    });

    test('subtitles of each format are shown and labelled with their language', async () => {
      await open('/watch/Sample.mp4');
      await until('film.textTracks.length === 2');
      assert.deepEqual(await film('[...film.textTracks].map((track) => [track.language, track.label])'), [
        ['en', 'English'],
        ['pt-BR', 'Brazilian Portuguese'],
      ]);
      await film('film.currentTime = 2');
      for (const [at, text] of ['Hello & there', 'Ol\u00e1'].entries()) {
        await film(`film.textTracks[${at}].mode = 'showing'`);
        await until(`film.textTracks[${at}].activeCues?.length === 1`);
        assert.equal(await film(`film.textTracks[${at}].activeCues[0].getCueAsHTML().textContent`), text);
      }
    });

    test('axe finds nothing serious, and pages of 360 pixels don\'t scroll sideways', bench.once, async () => {
      await open('/watch/Sample.mp4');
      await until('film.readyState > 0');
      await page.keyboard.press('5');
      const episode = '/watch/Show/Episode%202.mp4';
      const long = `/watch/Hostile/${'y'.repeat(251)}.mp4`;
      await page.setViewportSize({ width: 360, height: 740 });
      for (const path of ['/', '/?path=Hostile', '/watch/Old.avi', episode, long]) {
        await open(path);
        if (path.endsWith('.avi')) await page.getByRole('alert').waitFor();
        else if (path.startsWith('/watch')) await page.getByText('Other players').click();
        for (const colorScheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          const wide = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
          assert.equal(await page.evaluate(wide), 0, path);
          const { violations } = await axe(page);
          const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
          const findings = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
          assert.deepEqual(findings, [], `${colorScheme} ${path}`);
        }
      }
    });
  });
}

// What is serious of what axe finds on the page.
export async function axe(page) {
  await page.evaluate(AXE);
  return page.evaluate('axe.run()');
}
