// Loads the film at a position, and plays it if the browser allows that.
import { byId, film, say } from './page.js';

export const state = {
  ready: false, // this film's metadata is loaded
  lost: false, // the connection is lost
  place: null, // position to go to after loading
  playing: false, // whether to play after loading
};

export function load(place, playing) {
  Object.assign(state, { place, playing });
  film.load();
}

// Without a click on this origin, browsers refuse to play. Of one on the page before, Firefox may learn only after this
// page's film is there.
function play(tries = 10) {
  film.play().catch(({ name }) => {
    if (name !== 'NotAllowedError') return;
    if (tries) setTimeout(play, 100, tries - 1);
    else byId('start').hidden = false;
  });
}

film.addEventListener('loadedmetadata', () => {
  state.ready = true;
  state.lost = false;
  say('');
  if (state.place > 0) film.currentTime = state.place;
  state.place = null;
  if (state.playing) play();
  state.playing = false;
});

byId('start').addEventListener('click', () => {
  film.play();
  film.focus();
});
for (const sign of ['play', 'emptied']) film.addEventListener(sign, () => (byId('start').hidden = true));
