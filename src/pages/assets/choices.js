// What the viewer chooses once: volume, mute, speed, and whether the next film starts by itself.
import { byId, film, say } from './page.js';
import { read, write } from './store.js';

const CHOICES = 'filmstrip.choices';
export const chosen = (name, otherwise) => read(CHOICES, {})[name] ?? otherwise;
export const choose = (name, value) => write(CHOICES, { ...read(CHOICES, {}), [name]: value });

const speeds = byId('speed');
const offers = (speed) => [...speeds.options].some(({ value }) => value === String(speed));

// As the default too, because loading another film goes back to that.
function setSpeed(speed) {
  film.defaultPlaybackRate = film.playbackRate = speed;
  speeds.value = String(speed);
}

export function slowerOrFaster(step) {
  const option = speeds.options[speeds.selectedIndex + step];
  if (option) setSpeed(Number(option.value));
  say(`${film.playbackRate}×`, 1);
}

const volume = Number(chosen('volume', 1));
if (volume >= 0 && volume <= 1) film.volume = volume;
film.muted = chosen('muted', false);
if (offers(chosen('speed'))) setSpeed(Number(chosen('speed')));

film.addEventListener('volumechange', () => {
  choose('volume', film.volume);
  choose('muted', film.muted);
});
// The browser's controls can change the speed too.
film.addEventListener('ratechange', () => {
  const speed = film.playbackRate;
  if (!offers(speed) || chosen('speed') === speed) return;
  choose('speed', speed);
  setSpeed(speed);
});
speeds.addEventListener('change', () => setSpeed(Number(speeds.value)));

export const autoplayNext = byId('autoplay-next');
autoplayNext.checked = chosen('autoplayNext', true);
autoplayNext.addEventListener('change', () => choose('autoplayNext', autoplayNext.checked));
