// The end screen: the next film with a countdown, or whether to see this one again.
import { autoplayNext } from './choices.js';
import { go } from './neighbours.js';
import { byId, film } from './page.js';

const SECONDS = 5;
const end = byId('end');
let timer;

function open() {
  const next = byId('next');
  byId('up-next').hidden = byId('end-next').hidden = !next;
  byId('end-title').textContent = next?.dataset.title ?? '';
  byId('end-back').href = document.querySelector('.back').href;
  end.hidden = false;
  film.controls = false;
  if (next && autoplayNext.checked) countDown(SECONDS);
  else cancel();
  if ([document.body, film].includes(document.activeElement)) {
    end.querySelector('button:not([hidden])').focus({ preventScroll: true });
  }
}

function countDown(seconds) {
  byId('cancel').hidden = false;
  byId('count').textContent = seconds ? ` in ${seconds} s` : '';
  if (seconds) timer = setTimeout(countDown, 1000, seconds - 1);
  else go(byId('next'));
}

function cancel() {
  clearTimeout(timer);
  const wasFocused = document.activeElement === byId('cancel');
  byId('cancel').hidden = true;
  byId('count').textContent = '';
  if (wasFocused) byId('end-next').focus();
}

function close() {
  if (end.hidden) return;
  clearTimeout(timer);
  const wasInside = end.contains(document.activeElement);
  end.hidden = true;
  film.controls = true;
  if (wasInside) film.focus({ preventScroll: true });
}

film.addEventListener('ended', open);
for (const sign of ['play', 'seeking', 'emptied']) film.addEventListener(sign, close);
autoplayNext.addEventListener('change', () => autoplayNext.checked || cancel());
document.addEventListener('keydown', ({ key }) => key === 'Escape' && cancel());
byId('cancel').addEventListener('click', cancel);
byId('end-next').addEventListener('click', () => go(byId('next')));
byId('again').addEventListener('click', () => film.play());
