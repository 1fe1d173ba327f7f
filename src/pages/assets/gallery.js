// The gallery: progress bars, the "Continue watching" row, and the filter. Progress is stored in this browser only, by
// player.js.
import { films, forget as forgetFilm } from './store.js';

function bar({ at, of }) {
  const progress = document.createElement('progress');
  progress.max = of;
  progress.value = at;
  progress.ariaLabel = `${Math.round((100 * at) / of)} % watched`;
  return progress;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// A card like the server's, for a film in any folder.
function card(address, film) {
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.href = address;
  const here = document.querySelector(`.listed a[href="${CSS.escape(address)}"]`);
  let picture = here?.querySelector('img, i')?.cloneNode(true);
  if (!picture && film.poster) {
    picture = document.createElement('img');
    picture.src = film.poster;
    picture.alt = '';
  } else if (!picture) {
    picture = element('i', [...film.title].find((c) => /[\p{L}\p{N}]/u.test(c))?.toUpperCase() ?? '▶');
    picture.className = `h${film.title.length % 24}`;
    picture.ariaHidden = 'true';
  }
  const left = Math.max(1, Math.round((film.of - film.at) / 60));
  link.append(picture, element('b', film.title), element('small', `${left} min left`), bar(film));
  const forget = document.createElement('button');
  forget.className = 'forget';
  forget.ariaLabel = `Remove ${film.title}`;
  forget.onclick = () => {
    forgetFilm(address);
    draw();
    document.querySelector('#continue:not([hidden]) a, #filter').focus();
  };
  item.append(link, forget);
  return item;
}

function draw() {
  const seen = films();
  document.querySelectorAll('progress').forEach((old) => old.remove());
  if (Object.keys(seen).length) {
    for (const link of document.querySelectorAll('.listed .cards a')) {
      const film = seen[link.getAttribute('href')];
      if (film) link.append(bar(film));
    }
  }
  const row = document.getElementById('continue');
  const below = Object.entries(seen).filter(([address]) => address.startsWith(row.dataset.below));
  const latest = below.sort(([, one], [, other]) => other.when - one.when).slice(0, 6);
  row.hidden = !latest.length;
  row.querySelector('ul').replaceChildren(...latest.map(([address, film]) => card(address, film)));
}

const box = document.getElementById('filter');
const items = [...document.querySelectorAll('.listed li')];
const cards = items.map((item) => [item, fold(item.querySelector('b').textContent)]);

// So that "ete" matches "Été".
function fold(text) {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

function filter() {
  const words = fold(box.value).split(/\s+/).filter(Boolean);
  let found = 0;
  for (const [item, name] of cards) {
    const hit = words.every((word) => name.includes(word));
    if (item.hidden === hit) item.hidden = !hit;
    found += hit;
  }
  for (const section of document.querySelectorAll('.listed')) {
    section.hidden = !section.querySelector('li:not([hidden])');
  }
  document.getElementById('nothing').hidden = found > 0 || !words.length;
  document.getElementById('found').textContent = words.length ? `${found} found` : '';
}

box.addEventListener('input', filter);
box.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    box.value = '';
    filter();
  }
});
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && event.target !== box && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    box.focus();
  }
});
// Also after the back button, which restores the page as it was.
addEventListener('pageshow', () => {
  draw();
  if (box.value) filter();
});
