// What this browser remembers: how far each film was watched, and the viewer's choices. Nothing leaves the browser.
//
// A film's record is kept under the path of its page:
//   { at, of, when, title, poster, done, next }
// at: seconds watched; of: its length in seconds, once known; when: the time of the last change; done: it was watched
// to the end; next: it comes after one that was.

const FILMS = 'filmstrip';
const MOST = 1000;

// The path that the site is below, with a slash at its end.
export const root = new URL('..', import.meta.url).pathname;

// From a URL with a password in it, scripts could fetch nothing. The browser has the password now.
if (new URL(document.baseURI).username) location.replace(location.href);

export function read(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function write(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Storage is full or disabled.
  }
}

// What this tab remembers until it is closed; without a value, reads it.
export function tab(name, value) {
  try {
    if (value === undefined) return sessionStorage.getItem(name);
    sessionStorage.setItem(name, value);
  } catch {
    // Storage is disabled.
  }
}

export const films = () => read(FILMS, {});

// Adds fields to a film's record. Of too many films, those watched longest ago are forgotten.
export function note(path, fields) {
  const all = films();
  all[path] = { at: 0, ...all[path], ...fields, when: Date.now() };
  const latest = Object.entries(all).sort(([, one], [, other]) => other.when - one.when);
  write(FILMS, Object.fromEntries(latest.slice(0, MOST)));
}

export function forget(path) {
  const all = films();
  delete all[path];
  write(FILMS, all);
}
