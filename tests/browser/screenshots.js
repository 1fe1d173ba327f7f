// Writes the README's pictures, docs/gallery.png and docs/player.png, from a library made with ffmpeg.
import { mkdirSync, mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ffmpeg, h264, serve, sound } from './fixtures.js';

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'filmstrip-screenshots-'));

// Gradients between colours, from one point to another.
const gradient = (type) => (colours, points) =>
  `gradients=s=640x360:n=${colours.length}:type=${type}:d=1:${colours.map((it, at) => `c${at}=0x${it}`).join(':')}:` +
  ['x0', 'y0', 'x1', 'y1'].map((name, at) => `${name}=${points[at]}`).join(':');
const [linear, radial] = [gradient('linear'), gradient('radial')];

const FRACTAL =
  'mandelbrot=s=640x360:start_x=-0.7436:start_y=0.1318:start_scale=0.003:end_scale=0.003,hue=s=0.35';

// Title, megabytes, day, and the poster's filter.
const FILMS = [
  ['A Quiet Orbit (2019)', 1431, '2026-02-02', linear(['0b1030', '46336f', 'f0b27a'], [0, 0, 640, 360])],
  ['Amber & Ash', 2210, '2026-11-23', radial(['ffd38a', 'c4561f', '2b1512'], [420, 110, 640, 360])],
  ['Glass Mountain', 1874, '2026-09-14', FRACTAL],
  ['Low Tide', 987, '2026-05-30', linear(['e8f3ee', '5fa8a0', '12404f'], [320, 0, 320, 360])],
  ['Paper Boats', 1120, '2026-03-08', radial(['ffc9a3', '8d4a7e', '27203f'], [120, 300, 560, 0])],
  ['Salt', 3105, '2026-10-01', null],
];
const FOLDERS = [
  ['Harbour Street/Season 1', 8, linear(['f6e7c8', 'd98b5f', '513252'], [0, 360, 640, 0])],
  ['Home videos', 23, null],
  ['Northern Lights', 6, radial(['b7f2b0', '1c6d63', '07141f'], [320, 0, 120, 360])],
  ["The Cartographer's Daughter", 3, null],
];

function still(filter, path) {
  ffmpeg('-f', 'lavfi', '-i', filter, '-frames:v', '1', '-q:v', '2', join(folder, path));
}

function film(path, megabytes, day) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), '');
  truncateSync(join(folder, path), megabytes * 1e6);
  utimesSync(join(folder, path), new Date(day), new Date(day));
}

for (const [title, megabytes, day, poster] of FILMS) {
  film(`${title}.mp4`, megabytes, day);
  if (poster) still(poster, `${title}.jpg`);
}
for (const [name, videos, poster] of FOLDERS) {
  for (let number = 1; number <= videos; number++) film(`${name}/Episode ${number}.mp4`, 320, '2026-04-01');
  if (poster) still(poster, `${name.split('/')[0]}/poster.jpg`);
}
const scene = linear(['10203f', '5a3d73', 'e08a5b', 'ffe3b0'], [0, 0, 0, 360]).replace(':d=1', ':speed=0.002');
const episode = join(folder, 'Harbour Street/Season 1/Episode 3.mp4');
ffmpeg('-f', 'lavfi', '-t', '40', '-i', scene, ...sound(40), ...h264, episode);

// With a palette, a picture has less than half the size.
async function shoot(page, name) {
  const path = join(folder, name);
  await page.screenshot({ path });
  ffmpeg('-i', path, '-vf', 'split[a][b];[a]palettegen[p];[b][p]paletteuse', join(DOCS, name));
}

const server = await serve(folder);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  const page = await browser.newPage({ viewport: { width: 800, height: 960 }, colorScheme: 'light' });
  const at = (path) => `http://127.0.0.1:${server.port}${path}`;
  await page.goto(at('/'));
  await page.evaluate(() => {
    const now = Date.now();
    const film = (title, fields) => [
      `/watch/${encodeURIComponent(title)}.mp4`,
      { at: 0, of: 6120, when: now, title, poster: `/video/${encodeURIComponent(title)}.jpg`, ...fields },
    ];
    const seen = [
      film('Glass Mountain', { at: 3900 }),
      ['/watch/Harbour%20Street/Season%201/Episode%203.mp4', { at: 0, when: now - 1, title: 'Episode 3', next: true }],
      film('Low Tide', { at: 5400, of: 5400, when: now - 2, done: true }),
      film('Amber & Ash', { at: 700, of: 7020, when: now - 3 }),
    ];
    localStorage.setItem('filmstrip', JSON.stringify(Object.fromEntries(seen)));
  });
  await page.reload({ waitUntil: 'networkidle' });
  await shoot(page, 'gallery.png');
  await page.goto(at('/watch/Harbour%20Street/Season%201/Episode%203.mp4'), { waitUntil: 'networkidle' });
  await page.evaluate(() => {
    const film = document.getElementById('film');
    film.currentTime = 21;
    return new Promise((resolve) => film.addEventListener('seeked', resolve));
  });
  await page.mouse.move(400, 200);
  // The browser's sign of loading fades out.
  await page.waitForTimeout(1500);
  await shoot(page, 'player.png');
} finally {
  await browser.close();
  await server.stop('SIGKILL');
  rmSync(folder, { recursive: true });
}
