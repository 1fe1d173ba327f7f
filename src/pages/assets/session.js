// The lock screen and the keyboard's media keys.
import { seek } from './keys.js';
import { go } from './neighbours.js';
import { byId, eachFilm, film } from './page.js';

const session = navigator.mediaSession;
if (session) {
  eachFilm(() => {
    const artwork = film.poster ? [{ src: film.poster }] : [];
    const [title, artist] = ['title', 'end-above'].map((id) => byId(id).textContent);
    session.metadata = new MediaMetadata({ title, artist, artwork });
    const to = (link) => link && (() => go(link));
    const actions = {
      play: () => film.play(),
      pause: () => film.pause(),
      seekbackward: ({ seekOffset }) => seek(-(seekOffset ?? 10)),
      seekforward: ({ seekOffset }) => seek(seekOffset ?? 10),
      seekto: ({ seekTime }) => (film.currentTime = seekTime),
      previoustrack: to(byId('previous')),
      nexttrack: to(byId('next')),
    };
    for (const [action, handler] of Object.entries(actions)) {
      try {
        session.setActionHandler(action, handler);
      } catch {
        // This browser doesn't support this action.
      }
    }
  });
}
