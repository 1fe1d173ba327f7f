import { after, before, describe } from 'node:test';
import { makeFolder } from './fixtures.js';
import { galleryTests } from './gallery.js';
import { playerTests } from './player.js';
import { setupTests } from './setups.js';
import { suite } from './suite.js';

// All at once, because films that play leave time.
describe('filmstrip', { concurrency: true }, () => {
  const media = {};
  before(() => Object.assign(media, makeFolder()));
  after(() => media.remove?.());
  for (const others of [galleryTests, playerTests, setupTests, undefined]) {
    for (const name of ['chromium', 'firefox']) suite(media, name, 'nas.test', others);
  }
  suite(media, 'chromium', '127.0.0.1');
});
