// The search in the header of every page, over the whole library. The list of all videos is fetched once, when the
// field first gets the focus. The text is kept in the address, so that the way back from a film restores it.
import { root, tab } from './store.js';

const MOST = 50;
const search = document.querySelector('search');
const box = document.getElementById('search');
const hits = document.getElementById('hits');
const list = hits.querySelector('ul');
const found = document.getElementById('found');

// ---- What there is to find.

const ALONE = { ø: 'o', ł: 'l', đ: 'd', ı: 'i', ß: 'ss', æ: 'ae', œ: 'oe' };

// So that "ete 2" finds "Été.2".
function fold(text) {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return plain.replace(/[øłđıßæœ]/g, (letter) => ALONE[letter]).replace(/[._-]/g, ' ');
}

const parent = (path) => path.slice(0, Math.max(path.lastIndexOf('/'), 0));
const base = (path) => path.slice(path.lastIndexOf('/') + 1);

// The folders and the films, with the folder that each is in, and its path to search in.
function index(videos) {
  const folders = new Map();
  const films = videos.map(({ name, watch }) => {
    // A manifest stands for its folder.
    const isFolder = /\/[^/]*\.(m3u8|mpd)$/i.test(name);
    const path = isFolder ? parent(name) : name.replace(/\.[^./]+$/, '');
    const names = parent(path).split('/');
    const parts = watch.slice(`${root}watch/`.length).split('/');
    for (let depth = folders.has(parent(path)) ? Infinity : 1; depth <= names.length && names[0]; depth++) {
      const above = names.slice(0, depth).join('/');
      if (folders.has(above)) continue;
      folders.set(above, { path: above, href: `${root}?path=${parts.slice(0, depth).join('/')}`, isFolder: true });
    }
    return { path, href: watch };
  });
  const all = [...folders.values(), ...films];
  // All in one text, since a call for each is slow.
  const folded = fold(all.map(({ path }) => path).join('\0')).split('\0');
  return all.map((entry, at) => ({ ...entry, folded: folded[at] }));
}

let library;
async function load() {
  library ??= fetch(`${root}api/videos`).then((answer) => answer.json()).then(index);
  try {
    return await library;
  } catch {
    library = null;
  }
}

// ---- Searching. A hit in the title comes before one in a folder's.

function find(all, words) {
  const [first, second] = [[], []];
  for (const entry of all) {
    if (!words.every((word) => entry.folded.includes(word))) continue;
    const title = base(entry.folded);
    if (words.every((word) => title.includes(word))) first.push(entry);
    // Not the folders in a folder that is a hit.
    else if (!entry.isFolder || words.some((word) => title.includes(word))) second.push(entry);
  }
  return first.concat(second);
}

function row({ path, href, isFolder }) {
  const item = document.createElement('li');
  const link = document.createElement('a');
  const title = document.createElement('b');
  const place = document.createElement('small');
  link.href = href;
  title.textContent = base(path);
  place.textContent = (isFolder ? 'Folder in ' : '') + (parent(path) || 'All videos');
  link.append(title, place);
  item.append(link);
  return item;
}

const count = (number, noun) => `${number} ${noun}${number === 1 ? '' : 's'}`;

function open(isOpen) {
  hits.hidden = !isOpen;
  const hash = isOpen ? `#${new URLSearchParams({ search: box.value })}` : '';
  history.replaceState(history.state, '', location.pathname + location.search + hash);
}

async function run() {
  const words = fold(box.value).split(/\s+/).filter(Boolean);
  open(words.length > 0);
  if (hits.hidden) return;
  if (!library) {
    list.replaceChildren();
    found.textContent = 'Searching …';
  }
  const text = box.value;
  const all = await load();
  // The next key's search is the one to show.
  if (text !== box.value || hits.hidden) return;
  if (!all) {
    found.textContent = 'The search failed. Is the server there?';
    return;
  }
  const entries = find(all, words);
  const folders = entries.filter(({ isFolder }) => isFolder).length;
  const counts = [[folders, 'folder'], [entries.length - folders, 'video']].filter(([number]) => number);
  const all50 = entries.length > MOST ? `; the first ${MOST} are:` : '';
  found.textContent = counts.map((it) => count(...it)).join(', ') + all50 || 'Nothing found';
  list.replaceChildren(...entries.slice(0, MOST).map(row));
  hits.scrollTop = 0;
}

// ---- The field and its keys.

box.addEventListener('focus', () => {
  load();
  if (hits.hidden && box.value) run();
});
box.addEventListener('input', run);

search.addEventListener('keydown', async (event) => {
  // The player has keys of its own.
  event.stopPropagation();
  const links = [...list.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  if (event.isComposing) return;
  if (event.key === 'Escape') {
    box.value = '';
    box.focus();
    open(false);
  } else if (event.key === 'Enter' && at < 0) {
    await run();
    if (!hits.hidden) list.querySelector('a')?.click();
  } else if (event.key === 'ArrowDown' && !hits.hidden) {
    links[Math.min(at + 1, links.length - 1)]?.focus();
    event.preventDefault();
  } else if (event.key === 'ArrowUp' && at >= 0) {
    (links[at - 1] ?? box).focus();
    event.preventDefault();
  }
});

document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector('dialog[open]')) return;
  event.preventDefault();
  box.focus();
  box.select();
});

const close = ({ target }) => !hits.hidden && !search.contains(target) && open(false);
document.addEventListener('focusin', close);
document.addEventListener('click', close);

// ---- Choosing a film, here or in the gallery.

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('.cards a, #hits a');
  if (!link?.pathname.startsWith(`${root}watch/`) || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  // The player plays it at once.
  tab('filmstrip.play', link.getAttribute('href'));
  // Pictures that are loading may take all six connections that a browser opens to a host.
  stop();
});
// For the gallery, which restores its position after a film.
addEventListener('pagehide', () => tab('filmstrip.left', location.pathname));

search.hidden = false;
const kept = new URLSearchParams(location.hash.slice(1)).get('search');
if (kept) {
  box.value = kept;
  box.focus();
}
