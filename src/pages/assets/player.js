// The player's additions to the browser's own controls, each in a module of its own.
// All of them, also those that others import, so that they are fetched at once.
import './choices.js';
import './end.js';
import './keys.js';
import './neighbours.js';
import './other-players.js';
import './screen.js';
import './session.js';
import './subtitles.js';
import './trouble.js';
import { state } from './loading.js';
import { film } from './page.js';
import { failed } from './reconnect.js';
import { resumePosition } from './resume.js';
import { tab } from './store.js';

document.querySelector('.tools').hidden = false;
state.startAt = resumePosition(film.dataset.watch);
// A click in the gallery plays at once.
state.playing = tab('filmstrip.play') === film.dataset.watch;
if (state.playing) sessionStorage.removeItem('filmstrip.play');
// If the film was loaded or failed before this script ran, there is no further event.
if (film.readyState > 0) film.dispatchEvent(new Event('loadedmetadata'));
if (film.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) failed();
