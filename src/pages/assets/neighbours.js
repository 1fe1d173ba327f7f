// The previous and the next film, and the way back. The server's page has everything that differs between films, so
// the next film's page is fetched and its parts replace the old ones: full screen and permissions stay.
import { load, state } from './loading.js';
import { byId, film } from './page.js';
import { remember, resumePosition } from './resume.js';
import { root, tab } from './store.js';

let latest;

export async function go(link) {
  if (link && !(await show(link.href))) location.href = link.href;
}

async function show(href, isBack = false) {
  remember();
  latest = href;
  try {
    const answer = await fetch(href);
    if (!answer.ok) return false;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    // Another film was asked for meanwhile.
    if (latest !== href) return true;
    const next = page.getElementById('film');
    const focused = document.activeElement.id;
    state.ready = state.lost = false;
    document.title = page.title;
    for (const id of ['title', 'facts', 'pager', 'menu-players', 'trouble-players']) {
      byId(id).replaceWith(page.getElementById(id));
    }
    film.dataset.watch = next.dataset.watch;
    film.poster = next.poster;
    film.replaceChildren(...next.childNodes);
    if (!isBack) history.pushState(null, '', href);
    document.dispatchEvent(new Event('film'));
    if (focused) (byId(focused) ?? film).focus({ preventScroll: true });
    load(resumePosition(film.dataset.watch), true);
    return true;
  } catch {
    return false;
  }
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('#previous, #next');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link);
});
addEventListener('popstate', async () => (await show(location.href, true)) || location.reload());

// Back to where the viewer came from, if that was a view of the gallery.
const back = document.querySelector('.back');
const from = tab('filmstrip.back') ?? '';
if (from.startsWith(root) && /^([?#]|$)/.test(from.slice(root.length))) {
  if (from.replace(/#.*/, '') !== back.getAttribute('href')) byId('above').textContent = 'Back';
  back.href = from;
}
