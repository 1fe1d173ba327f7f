// Keyboard shortcuts. The list of them is in the page.
import { slowerOrFaster } from './choices.js';
import { state } from './loading.js';
import { go } from './neighbours.js';
import { byId, film } from './page.js';
import { fullScreen } from './screen.js';
import { nextSubtitles } from './subtitles.js';

export const seek = (seconds) => {
  film.currentTime = Math.min(Math.max(film.currentTime + seconds, 0), film.duration || 0);
};
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
  f: fullScreen,
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
  if (key === ' ' && target.closest('a, button, input')) return;
  const jump = () => seek((film.duration * key) / 10 - film.currentTime);
  const action = /^[0-9]$/.test(key) ? jump : KEYS[key.length > 1 ? key : key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  event.stopPropagation();
  if (/^[0-9jl]$|^Arrow[LR]/.test(key) && !state.ready) return;
  action();
}, true);
byId('help').addEventListener('click', KEYS['?']);
