// Links to other players: the film's URL on the clipboard, and VLC on a phone.
import { byId, eachFilm } from './page.js';

document.addEventListener('click', async ({ target }) => {
  if (!target.matches('.copy')) return;
  const address = new URL(target.dataset.address, location.href).href;
  let copied = true;
  try {
    await navigator.clipboard.writeText(address);
  } catch {
    // There is no clipboard API over plain HTTP, but a selection can be copied.
    const field = target.parentElement.querySelector('input') ?? document.createElement('input');
    Object.assign(field, { readOnly: true, value: address, ariaLabel: 'Video URL' });
    target.parentElement.append(field);
    field.select();
    copied = document.execCommand('copy');
  }
  target.textContent = copied ? 'Copied' : 'Copy it below';
  setTimeout(() => (target.textContent = 'Copy address'), 2500);
});

// VLC on a phone opens a link, and no playlist.
export function vlcLink({ href, host, pathname, protocol, search }, agent, fingers) {
  const scheme = protocol.slice(0, -1);
  const intent = `#Intent;scheme=${scheme};package=org.videolan.vlc;type=video/*;end`;
  if (/Android/.test(agent)) return `intent://${host}${pathname}${search}${intent}`;
  // An iPad calls itself a Mac.
  return /iPhone|iPad/.test(agent) || (/Macintosh/.test(agent) && fingers > 1) ? `vlc://${href}` : null;
}

eachFilm(() => {
  byId('elsewhere').hidePopover?.();
  for (const link of document.querySelectorAll('a.vlc')) {
    const address = new URL(link.parentElement.querySelector('.copy').dataset.address, location.href);
    const direct = vlcLink(address, navigator.userAgent, navigator.maxTouchPoints);
    if (direct) Object.assign(link, { href: direct, textContent: 'Open in VLC' });
  }
});
