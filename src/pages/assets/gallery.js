// The gallery: the viewer's progress, the order of the videos, the shape of posters, and the position after a film.
// Progress is stored in this browser only, by player.js.
import { films, forget as forgetFilm, read, root, tab, write } from './store.js';

// ---- Progress.

function element(name, text, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function bar({ at, of }) {
  const progress = element('progress', '', 'own');
  progress.max = of;
  progress.value = at;
  progress.ariaLabel = `${Math.round((100 * at) / of)} % watched`;
  return progress;
}

function duration(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}

const isBegun = ({ at, of, done }) => !done && at > 2 && of > 0;

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
    const title = String(film.title);
    const initial = [...title].find((c) => /[\p{L}\p{N}]/u.test(c))?.toUpperCase() ?? '▶';
    picture = element('i', initial, `h${title.length % 24}`);
    picture.ariaHidden = 'true';
  }
  const state = isBegun(film) ? `${duration(film.of - film.at)} left` : film.next ? 'Up next' : 'Begun';
  link.append(picture, element('b', film.title), element('small', state));
  if (isBegun(film)) link.append(bar(film));
  const forget = element('button', '', 'forget');
  forget.ariaLabel = `Remove ${film.title}`;
  forget.onclick = () => {
    forgetFilm(address);
    draw();
    document.querySelector('#continue:not([hidden]) a, #search').focus();
  };
  item.append(link, forget);
  return item;
}

function draw() {
  const seen = films();
  document.querySelectorAll('.own').forEach((old) => old.remove());
  if (Object.keys(seen).length) {
    for (const link of document.querySelectorAll('.listed .cards a')) {
      const film = seen[link.getAttribute('href')];
      if (film?.of > 0) link.querySelector('small').prepend(element('span', `${duration(film.of)} · `, 'own'));
      if (film?.done) link.append(element('span', 'Watched', 'own mark'));
      else if (film && isBegun(film)) link.append(bar(film));
    }
  }
  const row = document.getElementById('continue');
  const isDue = ([address, { at, done, next }]) => address.startsWith(row.dataset.below) && !done && (next || at > 2);
  const latest = Object.entries(seen).filter(isDue).sort(([, one], [, other]) => other.when - one.when).slice(0, 6);
  row.hidden = !latest.length;
  row.querySelector('ul').replaceChildren(...latest.map((film) => card(...film)));
}

// ---- Order.

const videos = document.getElementById('videos');
const sort = document.getElementById('sort');
const byName = [...(videos?.children ?? [])];

function arrange() {
  const field = { newest: 't', largest: 's' }[sort.value];
  const order = field ? [...byName].sort((one, other) => other.dataset[field] - one.dataset[field]) : byName;
  for (const item of order) videos.append(item);
}

if (sort) {
  sort.parentElement.hidden = false;
  sort.value = read('filmstrip.sort', 'name');
  if (sort.selectedIndex < 1) sort.value = 'name';
  else arrange();
  sort.addEventListener('change', () => {
    write('filmstrip.sort', sort.value);
    arrange();
  });
}

// ---- Posters are shown whole. Where most are upright, so are all cards; one of another shape gets a blurred fill.

const posters = videos ? [...videos.getElementsByTagName('img')] : [];
let decided = false;

function fill(picture) {
  if (!picture.naturalWidth) return;
  const shape = picture.closest('.upright') ? 2 / 3 : 16 / 9;
  const ratio = picture.naturalWidth / picture.naturalHeight / shape;
  if (picture.parentElement.matches('.fit') || (ratio > 0.93 && ratio < 1.07)) return;
  const box = element('span', '', 'fit');
  box.style.backgroundImage = `url("${picture.src}")`;
  picture.replaceWith(box);
  box.append(picture);
}

function measure(picture) {
  if (!picture.naturalWidth) return;
  if (!decided && videos?.contains(picture)) {
    const loaded = posters.filter(({ naturalWidth }) => naturalWidth);
    if (loaded.length < Math.min(posters.length, 4)) return;
    decided = true;
    const upright = loaded.filter(({ naturalWidth, naturalHeight }) => naturalWidth < 0.8 * naturalHeight);
    const isUpright = upright.length > loaded.length / 2;
    videos.classList.toggle('upright', isUpright);
    tab('filmstrip.upright', isUpright ? location.search : '-');
    posters.forEach(fill);
  }
  fill(picture);
}

// At once where it is known, so that the cards don't move.
videos?.classList.toggle('upright', tab('filmstrip.upright') === location.search);
document.addEventListener('load', ({ target }) => target.matches?.('main img') && measure(target), true);
// Some may have been loaded before this script.
[...document.querySelectorAll('main img')].filter(({ complete }) => complete).forEach(measure);

// ---- The way back from a film.

const here = () => location.pathname + location.search + location.hash;
addEventListener('pagehide', () => {
  tab('filmstrip.back', here());
  tab('filmstrip.scroll', scrollY);
});

function restoreScroll() {
  const film = tab('filmstrip.left');
  if (tab('filmstrip.back') !== here() || !film?.startsWith(`${root}watch/`)) return;
  scrollTo(0, tab('filmstrip.scroll'));
  if (location.hash) return;
  const link = document.querySelector(`.listed a[href="${CSS.escape(film)}"]`);
  link?.focus({ preventScroll: true, focusVisible: false });
}

addEventListener('pageshow', (event) => {
  draw();
  // Those that were loading when the film was chosen.
  if (event.persisted) document.querySelectorAll('main img').forEach((it) => it.naturalWidth || (it.src = it.src));
  else restoreScroll();
});
document.querySelectorAll('.listed img').forEach(measure);
