// Progress, stored in this browser only: a film resumes where it was left, and one that was watched to its credits is
// done, with the next one up.
import { load, state } from './loading.js';
import { byId, film } from './page.js';
import { films, note } from './store.js';

const CREDITS = 0.95;

export function remember() {
  const { currentTime: at, duration: of } = film;
  // Not while the film is disconnected or not yet back at its position: that would overwrite it.
  if (state.lost || state.startAt !== null || !state.ready || !Number.isFinite(of) || at < 2) return;
  const done = film.ended || at / of > CREDITS;
  const [title, poster] = [byId('title').textContent, film.getAttribute('poster')];
  note(film.dataset.watch, { at: done ? 0 : at, of, title, poster, done, next: false });
  if (done) upNext(byId('next'));
}

function upNext(link) {
  if (!link) return;
  const path = link.getAttribute('href');
  const { title, poster = null } = link.dataset;
  if (!films()[path]) note(path, { next: true, title, poster });
}

export const resumePosition = (path) => films()[path]?.at ?? null;

document.addEventListener('visibilitychange', () => document.hidden && remember());
film.addEventListener('pause', remember);
film.addEventListener('seeked', remember);
film.addEventListener('ended', remember);
let noted = 0;
film.addEventListener('timeupdate', () => {
  if (Date.now() - noted < 3000) return;
  noted = Date.now();
  remember();
});

// Leaving the page closes the film's connection at once; coming back opens it again.
let sources = [];
let position = 0;
addEventListener('pagehide', () => {
  remember();
  position = film.currentTime;
  sources = [...film.querySelectorAll('source')];
  sources.forEach((source) => source.remove());
  film.removeAttribute('src');
  film.load();
});
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  film.prepend(...sources);
  load(position, false);
});
