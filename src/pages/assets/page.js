// The film, and messages over its picture.

export const byId = (id) => document.getElementById(id);
export const film = byId('film');
film.preload = 'metadata';

let silence;
export function say(text, seconds = 0) {
  clearTimeout(silence);
  byId('notice').textContent = text;
  byId('notice').hidden = !text;
  if (seconds) silence = setTimeout(say, seconds * 1000, '');
}

// Calls an action now and for each later film on this page.
export function eachFilm(action) {
  action();
  document.addEventListener('film', action);
}
