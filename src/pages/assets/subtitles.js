// Subtitles: their names in the viewer's language, and a choice that is kept for the next film and the next visit, made
// here or in the browser's own menu.
import { choose, chosen } from './choices.js';
import { byId, eachFilm, film, say } from './page.js';

const menu = byId('subtitles');
const base = (language) => language.toLowerCase().split('-')[0];
const isForced = ({ dataset }) => /\bforced\b/.test(dataset.details);
const nameOf = ({ srclang, dataset }) => `${srclang} ${dataset.details}`.trim();

// The tracks, those in the browser's languages first, and forced ones last.
function tracks() {
  const all = [...film.querySelectorAll('track')];
  const place = (want) => navigator.languages.findIndex(want) + 1 || 99;
  const rank = (track) => {
    const { srclang } = track;
    const exact = place((language) => language === srclang);
    return isForced(track) * 1000 + Math.min(exact, place((language) => base(language) === base(srclang)) + 0.5);
  };
  return all.sort((one, other) => rank(one) - rank(other));
}

// Names the languages. Two can have one name in the viewer's language, so they are numbered again.
function nameTracks() {
  if (!Intl.DisplayNames) return;
  const names = new Intl.DisplayNames(navigator.languages, { type: 'language' });
  const taken = new Set();
  for (const track of film.querySelectorAll('track')) {
    const { label, srclang, dataset } = track;
    const details = dataset.details && ` (${dataset.details})`;
    const name = srclang === 'und' ? label : names.of(srclang) + details;
    track.label = name;
    for (let number = 2; taken.has(track.label); number++) track.label = `${name} ${number}`;
    taken.add(track.label);
  }
}

// The track that is as the viewer chose: the same, or else one of its language.
function choice() {
  const name = chosen('subtitles', '');
  const [language] = name.split(' ');
  const all = tracks();
  const find = (want) => all.find(want);
  return name && (find((track) => nameOf(track) === name) ?? find(({ srclang }) => srclang === language)
    ?? find(({ srclang }) => base(srclang) === base(language)));
}

let shown;
function apply() {
  const all = tracks();
  const isForMe = (track) => isForced(track) && base(track.srclang) === base(navigator.language);
  shown = choice() || all.find(isForMe);
  for (const element of all) element.track.mode = element === shown ? 'showing' : 'disabled';
  showChoice();
}

function showChoice() {
  menu.selectedIndex = tracks().indexOf(choice()) + 1;
}

function pick(track) {
  choose('subtitles', track ? nameOf(track) : '');
  apply();
}

// Cycles through off and all tracks.
export function nextSubtitles() {
  const all = tracks();
  const next = all[menu.selectedIndex];
  pick(next);
  say(all.length ? `Subtitles: ${next?.label ?? 'off'}` : 'No subtitles', 2);
}

menu.addEventListener('change', () => pick(tracks()[menu.selectedIndex - 1]));
film.textTracks.addEventListener('change', () => {
  const showing = tracks().filter(({ track }) => track.mode === 'showing');
  if (showing.length === (shown ? 1 : 0) && showing[0] === shown) return;
  // While a film loads, the browser sets the tracks, and not the viewer.
  if (!film.readyState) return apply();
  shown = showing.find((track) => track !== shown);
  choose('subtitles', shown ? nameOf(shown) : '');
  showChoice();
});
film.addEventListener('loadedmetadata', apply);

const size = byId('size');
size.value = chosen('size', 'normal');
const resize = () => (film.dataset.size = size.value);
size.addEventListener('change', () => choose('size', resize()));
resize();

eachFilm(() => {
  nameTracks();
  const all = tracks();
  menu.replaceChildren(new Option('Off'), ...all.map(({ label }) => new Option(label)));
  byId('captions').hidden = !all.length;
  apply();
});
