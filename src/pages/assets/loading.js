// Loads the film at a position, and plays it if the browser allows that.
import { byId, film, say } from './page.js';

export const state = {
  ready: false, // this film's metadata is loaded
  lost: false, // the connection is lost
  startAt: null, // position to go to after loading
  playing: false, // whether to play after loading
};

export function load(startAt, playing) {
  Object.assign(state, { startAt, playing });
  film.load();
}

// Browsers refuse to play before a click on this origin. Firefox may report a click on the previous page only after
// this page's film has loaded.
const TRIES = 50;
let retry;
function play(tried = 0) {
  film.play().catch(({ name }) => {
    if (name !== 'NotAllowedError') return;
    byId('start').hidden = tried < 5;
    if (tried < TRIES) retry = setTimeout(play, 100, tried + 1);
  });
}
for (const sign of ['play', 'pause', 'emptied']) film.addEventListener(sign, () => clearTimeout(retry));

film.addEventListener('loadedmetadata', () => {
  state.ready = true;
  state.lost = false;
  say('');
  if (state.startAt > 0) film.currentTime = state.startAt;
  state.startAt = null;
  if (state.playing) play();
  state.playing = false;
});

byId('start').addEventListener('click', () => {
  film.play();
  film.focus();
});
for (const sign of ['play', 'emptied']) film.addEventListener(sign, () => (byId('start').hidden = true));
