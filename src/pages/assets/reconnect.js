// Reconnects to the same position, with growing delays.
import { load, state } from './loading.js';
import { film, say } from './page.js';
import { explainFailure } from './trouble.js';

const WAITS = [1, 2, 4, 8, 15, 30];
let attempt = 0;
let retry;

// The head of the server's response with the file, if it has it.
async function probe() {
  const options = { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout?.(10000) };
  try {
    const answer = await fetch(film.querySelector('source').src, options);
    return answer.ok && answer;
  } catch {
    return false;
  }
}

export async function failed() {
  // Removing the source, on leaving, is not a failure.
  if (!film.querySelector('source')) return;
  const path = film.dataset.watch;
  const code = film.error?.code ?? MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
  if (!state.lost) {
    state.startAt = state.ready ? film.currentTime : (state.startAt ?? 0);
    state.playing = (state.ready && !film.paused) || state.playing;
  }
  const decoding = code === MediaError.MEDIA_ERR_DECODE;
  const network = code === MediaError.MEDIA_ERR_NETWORK || (state.ready && !decoding);
  const answer = !network && (await probe());
  if (path !== film.dataset.watch) return;
  if (!answer) return reconnect();
  state.lost = false;
  say('');
  explainFailure(answer, decoding && state.startAt > 0);
}

function reconnect() {
  state.lost = true;
  const wait = WAITS[Math.min(attempt, WAITS.length - 1)];
  say(attempt ? `Connection lost. Retrying every ${wait} s` : 'Connection lost. Retrying');
  attempt += 1;
  clearTimeout(retry);
  retry = setTimeout(tryAgain, wait * 1000);
}

async function tryAgain() {
  clearTimeout(retry);
  if (await probe()) load(state.startAt, state.playing);
  else reconnect();
}

film.addEventListener('loadedmetadata', () => (attempt = 0));
document.addEventListener('film', () => clearTimeout(retry));
// In the capturing phase, because the event of a film that never loaded is at `<source>`. Failed subtitles are ignored.
film.addEventListener('error', ({ target }) => target.localName !== 'track' && failed(), true);
const retryNow = () => state.lost && !document.hidden && tryAgain();
addEventListener('online', retryNow);
document.addEventListener('visibilitychange', retryNow);

// When the server vanishes, browsers retry by themselves for half a minute before an error. After 4 s without progress,
// probe the server; if it responds but there is no progress for 15 s, reload.
let moved = Date.now();
for (const sign of ['progress', 'timeupdate', 'play', 'seeking', 'canplay']) {
  film.addEventListener(sign, () => (moved = Date.now()));
}
setInterval(async () => {
  const stuck = () => !state.lost && state.ready && !film.paused && film.readyState < 3 && Date.now() - moved;
  if (!(stuck() > 4000)) return;
  const reachable = await probe();
  if (!(stuck() > (reachable ? 15000 : 4000))) return;
  state.startAt = film.currentTime;
  state.playing = true;
  if (reachable) load(state.startAt, state.playing);
  else reconnect();
}, 2000);
