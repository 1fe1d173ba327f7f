// The player's additions to the browser's own controls. The server's page has everything that differs between films, so
// the next film's page is fetched and its parts replace the old ones: full screen and permissions stay.
import { films, forget, note, read, write } from './store.js';

const WAITS = [1, 2, 4, 8, 15, 30];
const byId = (id) => document.getElementById(id);
const film = byId('film');

// ---- Progress, stored in this browser only.

function remember() {
  const { currentTime: at, duration: of } = film;
  // Not while the film is disconnected or not yet back at its position: that would overwrite it.
  if (lost || place !== null || !ready || !Number.isFinite(of) || at < 2) return;
  const path = film.dataset.watch;
  if (film.ended || at / of > 0.97) forget(path);
  else note(path, { at, of, title: byId('title').textContent, poster: film.getAttribute('poster') });
}

// ---- Messages over the picture.

let silence;
function say(text, seconds = 0) {
  clearTimeout(silence);
  byId('notice').textContent = text;
  byId('notice').hidden = !text;
  if (seconds) silence = setTimeout(say, seconds * 1000, '');
}

// Why this browser can't play the film, and the alternatives: instead of the picture, or below it if there is sound.
function explain(text, below = false) {
  const trouble = byId('trouble');
  trouble.hidden = !text;
  trouble.classList.toggle('below', below);
  trouble.querySelector('p').textContent = text;
  film.hidden = text && !below;
}

// ---- Loading, with the position and whether to play after it.

let ready = false; // this film's metadata is loaded
let place = null; // position to go to after loading
let playing = false; // whether to play after loading

function load(at, play) {
  place = at;
  playing = play;
  film.load();
}

film.addEventListener('loadedmetadata', () => {
  ready = true;
  lost = false;
  attempt = 0;
  say('');
  film.playbackRate = speed;
  if (place > 0) film.currentTime = place;
  place = null;
  if (playing) film.play().catch(() => say('Press play to continue', 5));
  playing = false;
  const soundOnly = 'This browser plays the sound of this video but can’t show its picture. Try another player:';
  explain(film.videoWidth ? '' : soundOnly, true);
});

function resume() {
  place = films()[film.dataset.watch]?.at ?? null;
  // If the metadata was loaded before this script ran, there is no further event.
  if (film.readyState) film.dispatchEvent(new Event('loadedmetadata'));
}

// ---- Reconnecting to the same position, with growing delays.

let lost = false;
let attempt = 0;
let retry;

// Whether the server responds with the file.
async function probe() {
  const options = { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout?.(10000) };
  try {
    return (await fetch(film.querySelector('source').src, options)).ok;
  } catch {
    return false;
  }
}

async function failed() {
  // Removing the source, on leaving, is not a failure.
  if (!film.querySelector('source')) return;
  const code = film.error?.code ?? MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
  if (!lost) {
    place = ready ? film.currentTime : (place ?? 0);
    playing = (ready && !film.paused) || playing;
  }
  const network = code === MediaError.MEDIA_ERR_NETWORK || (ready && code !== MediaError.MEDIA_ERR_DECODE);
  if (!network && (await probe())) {
    lost = false;
    say('');
    explain('This browser can’t play this video. Try another player:');
  } else comeBack();
}

function comeBack() {
  lost = true;
  const wait = WAITS[Math.min(attempt, WAITS.length - 1)];
  say(attempt ? `Connection lost. Retrying every ${wait} s` : 'Connection lost. Retrying');
  attempt += 1;
  clearTimeout(retry);
  retry = setTimeout(tryAgain, wait * 1000);
}

async function tryAgain() {
  clearTimeout(retry);
  if (await probe()) load(place, playing);
  else comeBack();
}

// In the capturing phase, because the event of a film that never loaded is at `<source>`. Failed subtitles are ignored.
film.addEventListener('error', ({ target }) => target.localName !== 'track' && failed(), true);
const hurry = () => lost && !document.hidden && tryAgain();
addEventListener('online', hurry);
document.addEventListener('visibilitychange', hurry);

// When the server vanishes, browsers retry by themselves for half a minute before an error. After 4 s without progress,
// probe the server; if it responds but there is no progress for 15 s, reload.
let moved = Date.now();
for (const sign of ['progress', 'timeupdate', 'play', 'seeking', 'canplay']) {
  film.addEventListener(sign, () => (moved = Date.now()));
}
setInterval(async () => {
  const stuck = () => !lost && ready && !film.paused && film.readyState < 3 && Date.now() - moved;
  if (!(stuck() > 4000)) return;
  const there = await probe();
  if (!(stuck() > (there ? 15000 : 4000))) return;
  place = film.currentTime;
  playing = true;
  if (there) load(place, playing);
  else comeBack();
}, 2000);

// ---- Leaving the page closes the film's connection at once; coming back opens it again.

let sources = [];
let left = 0;
addEventListener('pagehide', () => {
  remember();
  left = film.currentTime;
  sources = [...film.querySelectorAll('source')];
  sources.forEach((source) => source.remove());
  film.removeAttribute('src');
  film.load();
});
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  film.prepend(...sources);
  load(left, false);
});
document.addEventListener('visibilitychange', () => document.hidden && remember());
film.addEventListener('pause', remember);
film.addEventListener('seeked', remember);
let noted = 0;
film.addEventListener('timeupdate', () => {
  if (Date.now() - noted < 3000) return;
  noted = Date.now();
  remember();
});

// ---- The previous and the next film.

async function go(link) {
  if (!link) return;
  remember();
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw answer;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const next = page.getElementById('film');
    ready = lost = false;
    explain('');
    document.title = page.title;
    for (const id of ['title', 'facts', 'pager', 'above', 'menu-ways', 'trouble-ways']) {
      byId(id).replaceWith(page.getElementById(id));
    }
    film.dataset.watch = next.dataset.watch;
    film.poster = next.poster;
    nameTracks(next);
    film.replaceChildren(...next.childNodes);
    history.pushState(null, '', link.href);
    load(films()[film.dataset.watch]?.at ?? 0, true);
    announce();
  } catch {
    location.href = link.href;
  }
}

addEventListener('popstate', () => location.reload());
const goOn = byId('go-on');
goOn.checked = read('filmstrip.go-on', true);
goOn.addEventListener('change', () => write('filmstrip.go-on', goOn.checked));
film.addEventListener('ended', () => {
  remember();
  if (goOn.checked) go(byId('next'));
});

// ---- Speed, picture in picture, subtitles, copying the URL.

let speed = 1;
const speeds = byId('speed');
function setSpeed(value) {
  speed = value;
  speeds.value = String(value);
  film.playbackRate = value;
}
speeds.addEventListener('change', () => setSpeed(Number(speeds.value)));

function slowerOrFaster(step) {
  const option = speeds.options[speeds.selectedIndex + step];
  if (option) setSpeed(Number(option.value));
  say(`${speed}×`, 1);
}

const pip = byId('pip');
pip.hidden = !document.pictureInPictureEnabled;
pip.addEventListener('click', () => {
  const change = document.pictureInPictureElement ? document.exitPictureInPicture() : film.requestPictureInPicture();
  change.catch(() => say('The picture is not ready yet', 3));
});

// Names the languages of the tracks in the viewer's own. Two can have one name there, so they are numbered again.
function nameTracks(video) {
  if (!Intl.DisplayNames) return;
  const names = new Intl.DisplayNames(navigator.languages, { type: 'language' });
  const taken = new Set();
  for (const track of video.querySelectorAll('track')) {
    const { label, srclang, dataset } = track;
    const details = dataset.details && ` (${dataset.details})`;
    const name = srclang === 'und' ? label : names.of(srclang) + details;
    track.label = name;
    for (let number = 2; taken.has(track.label); number++) track.label = `${name} ${number}`;
    taken.add(track.label);
  }
}

// Cycles through off and all tracks.
function nextSubtitles() {
  const tracks = [...film.textTracks];
  const shown = tracks.findIndex((track) => track.mode === 'showing');
  tracks.forEach((track, at) => (track.mode = at === shown + 1 ? 'showing' : 'disabled'));
  const label = tracks[shown + 1]?.label ?? 'off';
  say(tracks.length ? `Subtitles: ${label}` : 'No subtitles', 2);
}

document.addEventListener('click', async ({ target }) => {
  if (!target.matches('.copy')) return;
  const address = new URL(target.dataset.address, location.href).href;
  let copied = true;
  try {
    await navigator.clipboard.writeText(address);
  } catch {
    // There is no clipboard API over plain HTTP, but a selection can be copied.
    const field = target.parentElement.querySelector('input') ?? document.createElement('input');
    Object.assign(field, { readOnly: true, value: address, ariaLabel: 'Video URL' });
    target.parentElement.append(field);
    field.select();
    copied = document.execCommand('copy');
  }
  target.textContent = copied ? 'Copied' : 'Copy it below';
  setTimeout(() => (target.textContent = 'Copy address'), 2500);
});

// ---- Keyboard shortcuts.

const seek = (seconds) => (film.currentTime = Math.min(Math.max(film.currentTime + seconds, 0), film.duration || 0));
const louder = (step) => {
  film.volume = Math.min(Math.max(film.volume + step, 0), 1);
  film.muted = false;
};
const toggle = () => (film.paused ? film.play().catch(() => {}) : film.pause());
const KEYS = {
  ' ': toggle,
  k: toggle,
  j: () => seek(-10),
  l: () => seek(10),
  ArrowLeft: () => seek(-5),
  ArrowRight: () => seek(5),
  ArrowUp: () => louder(0.1),
  ArrowDown: () => louder(-0.1),
  f: () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else film.requestFullscreen?.() ?? film.webkitEnterFullscreen?.();
  },
  c: nextSubtitles,
  m: () => (film.muted = !film.muted),
  n: () => go(byId('next')),
  p: () => go(byId('previous')),
  '<': () => slowerOrFaster(-1),
  '>': () => slowerOrFaster(1),
  '?': () => byId('keys').showModal(),
};

// In the capturing phase, so that the browser's controls don't handle the same key again.
document.addEventListener('keydown', (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || byId('keys').open) return;
  if (target.closest('select, input:not([type=checkbox])')) return;
  if (key === ' ' && target.closest('a, button, summary, input')) return;
  const jump = () => seek((film.duration * key) / 10 - film.currentTime);
  const action = /^[0-9]$/.test(key) ? jump : KEYS[key.length > 1 ? key : key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  event.stopPropagation();
  if (/^[0-9jl]$|^Arrow[LR]/.test(key) && !ready) return;
  action();
}, true);
byId('help').addEventListener('click', KEYS['?']);
// The menu opens downwards, possibly beyond the window.
const menu = document.querySelector('.menu');
menu.addEventListener('toggle', () => byId('menu-ways').scrollIntoView({ block: 'nearest' }));

// ---- The lock screen.

function announce() {
  const session = navigator.mediaSession;
  if (!session) return;
  const artwork = film.poster ? [{ src: film.poster }] : [];
  const [title, artist] = ['title', 'above'].map((id) => byId(id).textContent);
  session.metadata = new MediaMetadata({ title, artist, artwork });
  const actions = {
    play: () => film.play(),
    pause: () => film.pause(),
    seekbackward: ({ seekOffset }) => seek(-(seekOffset ?? 10)),
    seekforward: ({ seekOffset }) => seek(seekOffset ?? 10),
    seekto: ({ seekTime }) => (film.currentTime = seekTime),
    previoustrack: byId('previous') && KEYS.p,
    nexttrack: byId('next') && KEYS.n,
  };
  for (const [action, handler] of Object.entries(actions)) {
    try {
      session.setActionHandler(action, handler);
    } catch {
      // This browser doesn't support this action.
    }
  }
}

announce();
nameTracks(film);
resume();
if (film.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) failed();
