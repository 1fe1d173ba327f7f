// Says why this browser doesn't play the film, or only its picture or sound, with the alternatives. The browser's own
// signs are all that is known: nothing here reads the file.
import { byId, film } from './page.js';

const trouble = byId('trouble');
const tools = document.querySelector('.tools');

// Instead of the picture, below it, or as a hint below it that can be dismissed.
function explain(text, where = 'instead') {
  trouble.hidden = !text;
  trouble.className = `notice ${where}`;
  trouble.role = where === 'hint' ? 'status' : 'alert';
  trouble.querySelector('p').textContent = text;
  byId('dismiss').hidden = where !== 'hint';
  byId('trouble-players').hidden = false;
  const plays = !text || where !== 'instead';
  film.hidden = tools.hidden = !plays;
}

// What the browser says about the file. An error of a `<source>` has no message, one of a `src` has.
function complaint(url) {
  const other = document.createElement('video');
  return new Promise((resolve) => {
    other.addEventListener('error', () => resolve(other.error.message));
    setTimeout(resolve, 5000, '');
    other.preload = 'metadata';
    other.src = url;
  });
}

// A file of a type that the browser plays, but in which it finds no beginning. (Chromium; Firefox.)
const UNREADABLE = /COULD_NOT_OPEN|METADATA_ERR/;

export async function explainFailure({ headers, url }, hasPlayed) {
  const path = film.dataset.watch;
  const isEmpty = headers.get('Content-Length') === '0';
  const isPlayable = film.canPlayType(headers.get('Content-Type') ?? '');
  const isDamaged = isEmpty || hasPlayed || (isPlayable && UNREADABLE.test(await complaint(url)));
  if (path !== film.dataset.watch) return;
  if (isEmpty) explain('This video seems to be damaged: its file is empty.');
  else if (isDamaged) explain('This video seems to be damaged. Another player may still play it:');
  else explain('This browser can’t play this video. Try another player:');
  byId('trouble-players').hidden = isEmpty;
}

film.addEventListener('loadedmetadata', () => {
  const soundOnly = 'This browser plays the sound of this video but can’t show its picture. Try another player:';
  explain(film.videoWidth ? '' : soundOnly, 'below');
});

// Whether the browser has found any sound; undefined if it doesn't tell.
const heard = () => film.webkitAudioDecodedByteCount ?? film.mozHasAudio ?? film.audioTracks?.length;
function played() {
  let seconds = 0;
  for (let at = 0; at < film.played.length; at++) seconds += film.played.end(at) - film.played.start(at);
  return seconds;
}
let isJudged = false;
film.addEventListener('timeupdate', () => {
  if (isJudged || played() < 3) return;
  isJudged = true;
  if (film.videoWidth && Number(heard()) === 0) {
    explain('No sound? This browser may not be able to decode it. Try another player:', 'hint');
  }
});
byId('dismiss').addEventListener('click', () => {
  explain('');
  film.focus();
});
document.addEventListener('film', () => {
  isJudged = false;
  explain('');
});
