// The player, in each browser of suite.js.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe } from './suite.js';

const SERIES = '/watch/Player/Series/A%20Family%20of%20Some%20Length%20S01E0';
const [ONE, TWO, THREE] = ['1%20One', '2%20Two', '3%20Three'].map((end) => `${SERIES}${end}.mp4`);

export function playerTests(bench) {
  const { name, at, film, until } = bench;
  const open = (path) => bench.page.goto(at(path));
  const stored = (path) => bench.page.evaluate(`JSON.parse(localStorage.getItem('filmstrip') ?? '{}')['${path}']`);
  const loaded = async (path) => {
    await open(path);
    await until('film.readyState > 1');
  };
  // Seeks to what is left of the film, and plays that.
  const playLast = async (seconds) => {
    await film(`film.currentTime = film.duration - ${seconds}`);
    await until('!film.seeking');
    await film('film.play()');
  };
  const showing = '[...film.textTracks].find(({ mode }) => mode === "showing")?.label';
  const inBrowser = async (options, action) => {
    const context = await bench.context.browser().newContext(options);
    try {
      await action(await context.newPage());
    } finally {
      await context.close();
    }
  };

  test('volume, mute, speed and subtitles are chosen once', async () => {
    const { page } = bench;
    await loaded(ONE);
    await film('film.volume = 0.5');
    await page.keyboard.press('m');
    await page.getByLabel('Speed').selectOption('1.5');
    await page.getByLabel('Subtitles').selectOption('German');
    await page.getByLabel('Subtitle size').selectOption('Large');
    const kept = `film.volume === 0.5 && film.muted && film.playbackRate === 1.5 && film.dataset.size === 'large'
      && ${showing} === 'German' && document.getElementById('subtitles').value === 'German'`;
    await until(kept);
    await page.keyboard.press('n');
    await until(`film.readyState > 1 && film.dataset.watch === '${TWO}' && film.currentTime > 0.3 && ${kept}`);
    await loaded(THREE);
    await until(kept);
    await page.getByLabel('Subtitles').selectOption('Off');
    await page.reload();
    await until(`film.readyState > 1 && !${showing}`);
    assert.equal(await page.getByLabel('Subtitles').inputValue(), 'Off');
  });

  test('a choice in the browser\'s own menu of subtitles counts too', async () => {
    await loaded(ONE);
    await film("[...film.textTracks].find(({ label }) => label === 'English').mode = 'showing'");
    await until("document.getElementById('subtitles').value === 'English'");
    await bench.page.keyboard.press('n');
    await until(`film.dataset.watch === '${TWO}' && film.readyState > 1 && ${showing} === 'English'`);
  });

  test('the browser\'s language comes first, and its forced subtitles are shown by themselves', async () => {
    await inBrowser({ locale: 'de-DE' }, async (page) => {
      await page.goto(at(ONE));
      const shown = () => page.evaluate(
        "[...document.querySelectorAll('track')].filter(({ track }) => track.mode === 'showing')"
          + '.map(({ srclang, dataset }) => `${srclang} ${dataset.details}`.trim()).join()',
      );
      await page.locator('#subtitles option').nth(3).waitFor({ state: 'attached' });
      assert.equal(await page.evaluate('navigator.language'), 'de-DE');
      assert.equal(await shown(), 'de forced');
      await page.keyboard.press('c');
      assert.equal(await shown(), 'de');
      await page.keyboard.press('c');
      assert.equal(await shown(), 'en');
      await page.locator('#subtitles').selectOption({ index: 0 });
      assert.equal(await shown(), 'de forced');
    });
  });

  test('an episode left in its credits is done, and the next one is up', async () => {
    await loaded(ONE);
    await film('film.currentTime = 2.9');
    await until('film.currentTime === 2.9 && !film.seeking');
    bench.tolerated = /404/; // There is no icon.
    await open('/health');
    const [first, second] = [await stored(ONE), await stored(TWO)];
    assert.deepEqual([first.done, first.at, Math.round(first.of)], [true, 0, 3]);
    assert.deepEqual([second.next, second.at], [true, 0]);
    assert.equal(second.title, 'A Family of Some Length S01E02 Two');
    // One with progress of its own stays as it is.
    await loaded(TWO);
    await film('film.currentTime = 2.5');
    await until('film.currentTime === 2.5 && !film.seeking');
    await loaded(ONE);
    assert.equal(await film('film.currentTime'), 0);
    await film('film.currentTime = 2.9');
    await until('film.currentTime === 2.9 && !film.seeking');
    assert.deepEqual([(await stored(TWO)).next, (await stored(TWO)).at], [false, 2.5]);
  });

  test('the end screen counts down to the next film, which stays in full screen', async () => {
    const { page } = bench;
    await loaded(ONE);
    await page.keyboard.press('f');
    await until('document.fullscreenElement');
    await playLast(0.5);
    const end = page.getByRole('region', { name: 'After this video' });
    await end.getByText('A Family of Some Length S01E02 Two').waitFor();
    await end.getByText(/Up next in \d s/).waitFor();
    assert.ok(await film("document.fullscreenElement.contains(document.getElementById('end'))"));
    await page.waitForURL(at(TWO));
    await until("document.fullscreenElement && !film.paused && document.getElementById('end').hidden");
    await page.keyboard.press('f');
    await until('!document.fullscreenElement');
    await playLast(0.5);
    await end.getByRole('button', { name: 'Cancel' }).click();
    await end.getByText(/^Up next$/).waitFor();
    assert.equal(await film("document.activeElement.id"), 'end-next');
    const back = end.getByRole('link', { name: 'Back to Series' });
    assert.equal(await back.getAttribute('href'), at('/?path=Player/Series'));
    await end.getByRole('button', { name: 'Watch again' }).click();
    await until("!film.paused && film.currentTime < 2.5 && document.getElementById('end').hidden && film.controls");
    await page.getByLabel('Autoplay next').uncheck();
    await playLast(0.5);
    await end.getByRole('button', { name: 'Play next' }).click();
    await page.waitForURL(at(THREE));
    await until('!film.paused');
    await playLast(0.5);
    await end.getByRole('button', { name: 'Watch again' }).waitFor();
    assert.equal(await end.getByRole('button', { name: 'Play next' }).count(), 0);
  });

  test('a click in the gallery plays, or a large button does where the browser refuses', async () => {
    const { page } = bench;
    await open('/');
    await page.evaluate("sessionStorage.setItem('filmstrip.play', '/watch/Sample.mp4')");
    await page.getByRole('link', { name: /Sample/ }).click();
    await until('!film.paused && film.currentTime > 0.2');
    await page.reload();
    await until('film.readyState > 1');
    assert.equal(await film('film.paused'), true, 'once');
    await page.evaluate("sessionStorage.setItem('filmstrip.play', '/watch/Sample.mp4')");
    await page.addInitScript(() => {
      const { play } = HTMLMediaElement.prototype;
      HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('', 'NotAllowedError'));
      addEventListener('click', () => (HTMLMediaElement.prototype.play = play), true);
    });
    await page.reload();
    await page.getByRole('button', { name: 'Play', exact: true }).click();
    await until("!film.paused && document.getElementById('start').hidden");
  });

  test('a click in the gallery plays, though the browser reports it late', async () => {
    const { page } = bench;
    await page.addInitScript(() => {
      const { play } = HTMLMediaElement.prototype;
      let refused = 0;
      HTMLMediaElement.prototype.play = function () {
        return ++refused > 3 ? play.call(this) : Promise.reject(new DOMException('', 'NotAllowedError'));
      };
    });
    await open('/');
    await page.getByRole('link', { name: /Sample/ }).click();
    await until('!film.paused && film.currentTime > 0.2');
    assert.equal(await page.locator('#start').isHidden(), true);
  });

  test('a film whose sound the browser can\'t decode gets a hint that can be dismissed', async () => {
    const { page } = bench;
    for (const end of ['mp4', 'mkv']) {
      await loaded(`/watch/Player/Surround%20${end}.${end}`);
      await film('film.play()');
      const hint = page.getByRole('status').filter({ hasText: 'No sound?' });
      await hint.waitFor();
      for (const way of ['Playlist for VLC (.m3u)', 'Download']) await hint.getByRole('link', { name: way }).waitFor();
      await hint.getByRole('button', { name: 'Copy address' }).waitFor();
      await hint.getByRole('button', { name: 'Dismiss' }).click();
      await hint.waitFor({ state: 'hidden' });
    }
    await loaded('/watch/Sample.mp4');
    await film('film.muted = true');
    await film('film.play()');
    await until('film.played.length && film.played.end(0) > 3.5');
    assert.equal(await page.getByText('No sound?').isVisible(), false);
  });

  test('a film that doesn\'t play says why, without tools that have no effect', async () => {
    const { page } = bench;
    for (const [file, sentence] of [
      ['Empty', 'This video seems to be damaged: its file is empty.'],
      ['Garbage', 'This video seems to be damaged. Another player may still play it:'],
      ['Cut', 'This video seems to be damaged. Another player may still play it:'],
      ['Unknown%20codec', 'This browser can’t play this video. Try another player:'],
    ]) {
      await open(`/watch/Player/${file}.mp4`);
      await page.getByRole('alert').getByText(sentence).waitFor();
      for (const tool of ['Speed', 'Autoplay next', 'Subtitles']) {
        assert.equal(await page.getByLabel(tool).isVisible(), false, tool);
      }
      for (const tool of ['Picture in picture', 'Keyboard', 'Full screen']) {
        assert.equal(await page.getByRole('button', { name: tool }).count(), 0, tool);
      }
      const downloads = await page.getByRole('link', { name: 'Download' }).count();
      assert.equal(downloads, file === 'Empty' ? 0 : 1);
    }
    await page.getByRole('link', { name: 'Previous' }).click();
    await page.getByRole('alert').getByText('can’t').waitFor({ state: 'hidden' });
  });

  test('controls and tools are in the window, and the episode\'s number is in the links', async () => {
    const { page } = bench;
    await loaded(TWO);
    const bottom = (of) => page.locator(of).evaluate((it) => it.getBoundingClientRect().bottom + scrollY);
    await page.setViewportSize({ width: 740, height: 360 });
    assert.ok((await bottom('#film')) <= 360, `${await bottom('#film')}`);
    await page.setViewportSize({ width: 360, height: 740 });
    for (const [link, text] of [['#previous', '… S01E01 One'], ['#next', '… S01E03 Three']]) {
      assert.equal(await page.locator(`${link} b`).textContent(), text);
      assert.ok(await page.locator(`${link} b`).evaluate((it) => it.scrollHeight <= it.clientHeight), link);
    }
    const title = 'A title that needs two lines of its link '.repeat(3);
    const long = (all, text) => all.forEach((it) => (it.textContent = text));
    await page.locator('#pager b').evaluateAll(long, title);
    for (const [width, height] of [[1280, 720], [1280, 800], [1366, 768], [1920, 1080]]) {
      await page.setViewportSize({ width, height });
      assert.ok((await bottom('.tools')) <= height, `${await bottom('.tools')} of ${height}`);
    }
  });

  test('messages are in full screen too, by the key, the button or the browser\'s own', async () => {
    const { page } = bench;
    await loaded('/watch/Sample.mp4');
    assert.equal(await film('film.controlsList?.contains("nofullscreen") ?? true'), true);
    const isStage = "document.fullscreenElement === document.getElementById('stage')";
    // Looked for in the page, since a message is there for a second or two only.
    await page.evaluate(() => setInterval(() => {
      const [stage, notice] = ['stage', 'notice'].map((id) => document.getElementById(id));
      const isAbove = document.fullscreenElement === stage || notice.matches(':popover-open');
      globalThis.wasSeen ||= document.fullscreenElement && isAbove && notice.checkVisibility();
    }, 20));
    for (const go of [
      () => page.keyboard.press('f'),
      () => page.getByRole('button', { name: 'Full screen (F)' }).click(),
      async () => {
        const button = page.getByRole('button', { name: 'Keyboard' });
        await button.evaluate((it) => it.addEventListener('click', (event) => {
          event.stopImmediatePropagation();
          document.getElementById('film').requestFullscreen();
        }, { capture: true, once: true }));
        await button.click();
      },
    ]) {
      await go();
      await until(`${isStage} || document.fullscreenElement === film`);
      await page.evaluate(() => (globalThis.wasSeen = false));
      await page.keyboard.press('>');
      await until('globalThis.wasSeen');
      await page.keyboard.press('<');
      await page.keyboard.press('f');
      await until('!document.fullscreenElement');
    }
  });

  test('the menu of other players closes with Escape and a click elsewhere', async () => {
    const { page } = bench;
    await loaded('/watch/Sample.mp4');
    const way = page.locator('.menu').getByRole('link', { name: 'Download' });
    const opener = page.getByRole('button', { name: 'Other players' });
    for (const close of [() => page.keyboard.press('Escape'), () => page.mouse.click(5, 5)]) {
      await opener.click();
      await way.waitFor();
      await close();
      await way.waitFor({ state: 'hidden' });
    }
  });

  // Firefox can't be told to run no scripts.
  test('without a script, there are controls and the ways on', { skip: name === 'firefox' }, async () => {
    await inBrowser({ javaScriptEnabled: false }, async (page) => {
      await page.goto(at('/watch/Old.avi'));
      assert.ok(await page.locator('noscript p').isVisible());
      for (const link of ['Playlist for VLC (.m3u)', 'Download']) {
        assert.ok(await page.getByRole('link', { name: link }).isVisible(), link);
      }
      const dead = page.locator('button:visible, select:visible, input:visible');
      assert.deepEqual(await dead.allTextContents(), []);
      assert.equal(await page.locator('#film').getAttribute('preload'), 'none', 'no spinner');
    });
  });

  test('back after the next film loads no page', async () => {
    const { page } = bench;
    await loaded(ONE);
    await page.evaluate('window.same = true');
    await page.keyboard.press('n');
    await until(`film.dataset.watch === '${TWO}' && film.readyState > 1`);
    await page.goBack();
    await until(`film.dataset.watch === '${ONE}' && film.readyState > 1`);
    await page.goForward();
    await until(`film.dataset.watch === '${TWO}' && film.readyState > 1`);
    await page.getByRole('link', { name: 'Next' }).click();
    await until(`film.dataset.watch === '${THREE}' && !film.paused`);
    assert.equal(await page.evaluate('window.same'), true);
    assert.equal(page.url(), at(THREE));
  });

  test('the link to VLC is a direct one on a phone', async () => {
    const { page } = bench;
    await loaded('/watch/Sample.mp4');
    const links = await page.evaluate(async () => {
      const { vlcLink } = await import('/assets/other-players.js');
      const url = new URL('http://nas.test:8000/video/a%20b.mp4');
      return [
        vlcLink(url, 'Mozilla/5.0 (Linux; Android 15) Chrome/140', 5),
        vlcLink(url, 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0)', 5),
        vlcLink(url, 'Mozilla/5.0 (Macintosh; Intel Mac OS X)', 5),
        vlcLink(url, 'Mozilla/5.0 (Macintosh; Intel Mac OS X)', 0),
        vlcLink(url, 'Mozilla/5.0 (X11; Linux x86_64)', 0),
      ];
    });
    assert.deepEqual(links, [
      'intent://nas.test:8000/video/a%20b.mp4#Intent;scheme=http;package=org.videolan.vlc;type=video/*;end',
      'vlc://http://nas.test:8000/video/a%20b.mp4',
      'vlc://http://nas.test:8000/video/a%20b.mp4',
      null,
      null,
    ]);
    await inBrowser({ userAgent: 'Mozilla/5.0 (Linux; Android 15)' }, async (phone) => {
      await phone.goto(at('/watch/Sample.mp4'));
      await phone.getByRole('button', { name: 'Other players' }).click();
      const link = phone.locator('.menu').getByRole('link', { name: 'Open in VLC' });
      assert.match(await link.getAttribute('href'), /^intent:\/\/.*\/video\/Sample\.mp4#Intent;/);
    });
  });

  test('the way back leads to the view of the gallery that the viewer came from', async () => {
    const { page } = bench;
    // The gallery would write it as well.
    await open(ONE);
    for (const [from, href, text] of [
      ['/?path=Player/Series&q=two#x', '/?path=Player/Series&q=two#x', 'Back'],
      ['/?path=Player/Series#x', '/?path=Player/Series#x', 'Series'],
      ['/', '/', 'Back'],
      ['//elsewhere.test/', '/?path=Player/Series', 'Series'],
      ['javascript:1', '/?path=Player/Series', 'Series'],
    ]) {
      await page.evaluate((view) => sessionStorage.setItem('filmstrip.back', view), from);
      await open(ONE);
      const back = page.locator('.back');
      await until("!document.querySelector('.tools').hidden");
      assert.deepEqual([await back.getAttribute('href'), await back.innerText()], [href, text], from);
    }
  });

  test('axe finds nothing at all in any state of the player', bench.once, async () => {
    const { page } = bench;
    const sees = async (state) => {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        const { violations } = await axe(page);
        const findings = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
        assert.deepEqual(findings, [], `${colorScheme} ${state}`);
      }
    };
    await loaded(TWO);
    await sees('normal');
    await page.getByRole('button', { name: 'Other players' }).click();
    await sees('menu');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await sees('keys');
    await page.keyboard.press('Escape');
    await page.getByLabel('Autoplay next').uncheck();
    await playLast(0.3);
    await page.getByRole('button', { name: 'Watch again' }).waitFor();
    await sees('end');
    await open('/watch/Player/Garbage.mp4');
    await page.getByRole('alert').getByText('damaged').waitFor();
    await sees('damaged');
    await loaded('/watch/Player/Surround%20mkv.mkv');
    await film('film.play()');
    await page.getByText('No sound?').waitFor();
    await sees('no sound');
    await film("document.getElementById('start').hidden = false");
    await sees('start');
  });
}
