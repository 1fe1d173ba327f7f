// Full screen and picture in picture. What goes full screen is the stage, so that messages and the end screen do too.
import { byId, film, say } from './page.js';

const stage = byId('stage');
const full = byId('full');

export function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  // An iPhone can do it for the film alone.
  else stage.requestFullscreen?.() ?? film.webkitEnterFullscreen?.();
}

full.hidden = !document.fullscreenEnabled;
if (document.fullscreenEnabled) film.controlsList?.add('nofullscreen');
full.addEventListener('click', fullScreen);
film.addEventListener('dblclick', (event) => {
  event.preventDefault();
  if (document.fullscreenEnabled) fullScreen();
});
document.addEventListener('fullscreenchange', () => {
  // By the browser's own button, where it can't be left out, only the film goes; what is over it follows as popovers.
  for (const over of [byId('notice'), byId('end')]) {
    over.popover = document.fullscreenElement === film ? 'manual' : null;
    if (over.popover) over.showPopover();
  }
  full.title = document.fullscreenElement ? 'Leave full screen (F)' : 'Full screen (F)';
});

// The button is there as long as the browser's controls are.
let idle;
function wake() {
  clearTimeout(idle);
  stage.classList.add('awake');
  idle = setTimeout(() => film.paused || stage.classList.remove('awake'), 3000);
}
for (const sign of ['pointermove', 'pointerdown', 'keydown']) stage.addEventListener(sign, wake);
for (const sign of ['play', 'pause']) film.addEventListener(sign, wake);

const pip = byId('pip');
pip.hidden = !document.pictureInPictureEnabled;
pip.addEventListener('click', () => {
  const change = document.pictureInPictureElement ? document.exitPictureInPicture() : film.requestPictureInPicture();
  change.catch(() => say('The picture is not ready yet', 3));
});
