// A folder of films made with ffmpeg, and a filmstrip process that serves it.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const target = (path) => fileURLToPath(new URL(`../../target/${path}`, import.meta.url));
const BINARY = process.env.FILMSTRIP_BIN ?? target('debug/filmstrip');
const MADE = join(process.env.CARGO_TARGET_TMPDIR ?? target('tmp'), 'browser');

export const HOSTILE = [
  '<script>window.hacked=1<\u2215script>.mp4',
  '<img src=x onerror=hacked=1>.mp4',
  '"\' autofocus onfocus=hacked=1 x="\'.mp4',
  'two\nlines.mp4',
  '100% %41 &amp; #hash? a+b.mp4',
  '\u202egnp.4pm.mp4',
  `${'long '.repeat(50).trim()}x.mp4`,
  `${'y'.repeat(251)}.mp4`,
];

export function ffmpeg(...args) {
  execFileSync('ffmpeg', ['-loglevel', 'error', '-y', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
}

// What ffmpeg makes is kept for the next run, under a hash of its arguments.
function make(file, ...args) {
  const hash = createHash('sha256').update(JSON.stringify(args)).digest('hex').slice(0, 16);
  const made = join(MADE, hash + extname(file));
  if (!existsSync(made)) {
    mkdirSync(MADE, { recursive: true });
    const part = join(MADE, `${hash}-${process.pid}${extname(file)}`);
    ffmpeg(...args, part);
    renameSync(part, made);
  }
  copyFileSync(made, file);
}

const picture = (seconds) => ['-f', 'lavfi', '-i', `testsrc2=s=320x180:r=24:d=${seconds}`];
export const sound = (seconds) => ['-f', 'lavfi', '-i', `sine=f=440:d=${seconds}`];
export const h264 = [
  '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '24',
  '-c:a', 'aac', '-movflags', '+faststart',
];

export function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'filmstrip-browser-'));
  const at = (name) => join(folder, name);
  for (const name of ['Show', 'Hostile', 'Many', 'Stream']) mkdirSync(at(name));
  make(at('Sample.mp4'), ...picture(20), ...sound(20), ...h264);
  make(at('Show/Episode 1.mp4'), ...picture(3), ...sound(3), ...h264);
  // 110 s at 12 Mbit/s, nearly all of it filler: more than a browser reads ahead (Chromium some 25 MiB, Firefox 60 s).
  const constant = [
    '-b:v', '12M', '-minrate', '12M', '-maxrate', '12M', '-bufsize', '12M', '-x264-params', 'nal-hrd=cbr:force-cfr=1',
  ];
  make(at('Big.mp4'), ...picture(110), ...sound(110), ...h264, ...constant);
  // A container and a video codec that no browser decodes.
  make(at('Old.avi'), ...picture(2), '-c:v', 'mpeg4');
  make(at('Sound only.mp4'), ...picture(2), ...sound(2), '-c:v', 'mpeg4', '-c:a', 'aac');
  make(at('Sample.jpg'), ...picture(1), '-frames:v', '1');
  for (const name of ['Episode 2', 'episode 10']) copyFileSync(at('Show/Episode 1.mp4'), at(`Show/${name}.mp4`));
  for (const name of HOSTILE) copyFileSync(at('Show/Episode 1.mp4'), at(join('Hostile', name)));
  for (let number = 0; number < 10000; number++) writeFileSync(at(`Many/Film ${number}.mp4`), '');
  const cues = '1\r\n00:00:00,500 --> 00:00:10,000\r\n<font color="red">Hello</font> & <script>there</script>\r\n';
  writeFileSync(at('Sample.en.srt'), `\ufeff${cues}`, 'utf16le');
  writeFileSync(at('Sample.pt-BR.vtt'), 'WEBVTT\n\n00:00.500 --> 00:10.000\nOl\u00e1\n');
  ffmpeg('-i', at('Sample.mp4'), '-c', 'copy', '-hls_time', '4', '-hls_playlist_type', 'vod', at('Stream/film.m3u8'));
  // For the gallery's tests: posters of different shapes.
  for (const name of ['Tall', 'Mixed']) mkdirSync(at(`Posters/${name}`), { recursive: true });
  const shapes = { upright: '200x300', wide: '320x180' };
  for (const [shape, size] of Object.entries(shapes)) {
    make(at(`Posters/${shape}.jpg`), '-f', 'lavfi', '-i', `testsrc2=s=${size}`, '-frames:v', '1');
  }
  for (let number = 1; number <= 30; number++) {
    writeFileSync(at(`Posters/Tall/Film ${number}.mp4`), '');
    copyFileSync(at(`Posters/${number === 2 ? 'wide' : 'upright'}.jpg`), at(`Posters/Tall/Film ${number}.jpg`));
  }
  const mixed = { 'Été_à.la Mer': 'wide', Largest: 'wide', Newest: 'upright', Old: 'wide' };
  for (const [name, shape] of Object.entries(mixed)) {
    copyFileSync(at('Show/Episode 1.mp4'), at(`Posters/Mixed/${name}.mp4`));
    copyFileSync(at(`Posters/${shape}.jpg`), at(`Posters/Mixed/${name}.jpg`));
    utimesSync(at(`Posters/Mixed/${name}.mp4`), 1e9, name === 'Newest' ? 1.5e9 : 1e9);
  }
  copyFileSync(at('Sample.mp4'), at('Posters/Mixed/Largest.mp4'));
  utimesSync(at('Posters/Mixed/Largest.mp4'), 1e9, 1e9);
  // For player.js: a series, and films that don't play as they should.
  mkdirSync(at('Player/Series'), { recursive: true });
  ['One', 'Two', 'Three'].forEach((title, i) => {
    const name = `Player/Series/A Family of Some Length S01E0${i + 1} ${title}`;
    copyFileSync(at('Show/Episode 1.mp4'), at(`${name}.mp4`));
    for (const tag of ['de', 'en', 'de.forced']) {
      writeFileSync(at(`${name}.${tag}.vtt`), `WEBVTT\n\n00:00.000 --> 00:10.000\n${tag}\n`);
    }
  });
  const surround = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'ac3'];
  for (const end of ['mp4', 'mkv']) {
    make(at(`Player/Surround ${end}.${end}`), ...picture(6), ...sound(6), ...surround);
  }
  make(at('Player/Unknown codec.mp4'), ...picture(2), '-c:v', 'mpeg4');
  writeFileSync(at('Player/Empty.mp4'), '');
  writeFileSync(at('Player/Garbage.mp4'), Buffer.alloc(100_000, 'no film '));
  writeFileSync(at('Player/Cut.mp4'), readFileSync(at('Sample.mp4')).subarray(0, 2000));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

// Starts a filmstrip process and waits until it prints its address.
export async function serve(folder, port = 0, options = []) {
  const process = spawn(BINARY, ['--port', String(port), ...options, folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...global.process.env, RUST_LOG: 'info' },
  });
  const log = [];
  createInterface({ input: process.stderr }).on('line', (line) => log.push(line));
  const ended = new Promise((resolve) => process.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: process.stdout }).once('line', resolve);
    process.once('error', reject);
    ended.then(() => reject(new Error(`filmstrip did not start: ${log.join('\n')}`)));
  });
  const stop = (signal) => {
    process.kill(signal);
    return ended;
  };
  return { port: Number(new URL(url).port), log, stop };
}
